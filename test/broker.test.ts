import { describe, expect, it } from 'vitest'
import { signSession, startBroker, useBroker } from './peers/broker.ts'

/** The address of a victim, which anybody can register at some providers. */
async function askAsVictim(setting: string | undefined) {
  const { vendor, broker } = await useBroker({ SESSION_REQUIRE_VERIFIED_EMAIL: setting })
  const session = await signSession({ sub: 'mallory', email: 'victim@example.com', email_verified: false })
  const answer = await broker.askToken({ authorization: `Bearer ${session}` })
  const warned = broker.logLines().some(({ event }) => event === 'unverified_emails_accepted')
  return { status: answer.status, warned, asked: vendor.requests.length }
}

describe('An email that its provider calls unverified', () => {
  it.each([undefined, 'true'])('gets no token if the setting is %s', async (setting) => {
    expect(await askAsVictim(setting)).toEqual({ status: 403, warned: false, asked: 0 })
  })

  it('gets a token if the operator chose so, and the log says so at the start', async () => {
    expect(await askAsVictim('false')).toEqual({ status: 200, warned: true, asked: 1 })
  })
})

describe('The data of the page', () => {
  it('names the addresses of PUBLIC_URL, each with its last slash', async () => {
    const broker = await startBroker({
      PUBLIC_URL: 'https://app.example.com/widgets, https://www.example.com',
    })
    const data = (await (await fetch(`${broker.url}/config.json`)).json()) as object
    const publicUrls = ['https://app.example.com/widgets/', 'https://www.example.com/']
    expect(data).toMatchObject({ publicUrls })
  })
})
