import { once } from 'node:events'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { useBroker, type RunningBroker } from '../peers/broker.ts'
import { send } from '../peers/exchange.ts'
import { startEndpoint, type Endpoint } from '../peers/endpoint.ts'
import type { Vendor } from '../peers/vendor.ts'

// Apps that rotate a session (rolling sessions, refresh tokens) end the old one with each answer.

let app: Endpoint
let vendor: Vendor
let broker: RunningBroker

const ada = { email: 'ada@example.com' }

/** The app answers with these `Set-Cookie` lines. */
const answerWith =
  (setCookies: string[], claims: unknown = ada, status = 200): Endpoint['answer'] =>
  (_request, response) =>
    void response.writeHead(status, { 'Set-Cookie': setCookies }).end(JSON.stringify(claims))

const renewed = 'session=new; Path=/; HttpOnly; SameSite=Lax'

beforeEach(async () => {
  app = await startEndpoint(answerWith([renewed]))
})

async function open(changes: Record<string, string | undefined> = {}) {
  ;({ vendor, broker } = await useBroker({
    SESSION_MODE: 'forward-auth',
    SESSION_JWT_SECRET: undefined,
    SESSION_FORWARD_URL: `${app.origin}/me`,
    PUBLIC_URL: 'http://127.0.0.1',
    ...changes,
  }))
}

const sameOrigin = { 'Sec-Fetch-Site': 'same-origin' }

async function ask(headers: Record<string, string> = sameOrigin, cookie = 'session=old') {
  const question = { method: 'POST', headers: { cookie, ...headers } }
  const answer = await send(`${broker.url}/widget-token`, question)
  return { status: answer.status, setCookies: answer.headers['set-cookie'] }
}

const warnings = () =>
  broker
    .logLines()
    .filter(({ event }) => event === 'session_renewal_dropped')
    .map(({ outcome }) => outcome)

describe('Renewed cookies of an accepted session', () => {
  it('go unchanged to the browser that sent the old ones', async () => {
    await open()
    expect(await ask()).toEqual({ status: 200, setCookies: [renewed] })
    expect(warnings()).toEqual([])
  })

  it('go to a page of our own host that says so by its origin', async () => {
    await open()
    expect(await ask({ Origin: broker.url })).toMatchObject({ setCookies: [renewed] })
  })

  it('come with an answer that must not be stored', async () => {
    await open()
    const headers = { cookie: 'session=old', ...sameOrigin }
    const answer = await send(`${broker.url}/widget-token`, { method: 'POST', headers })
    expect(answer.headers).toMatchObject({ 'cache-control': 'no-store', 'set-cookie': [renewed] })
  })

  it('also come with the error if the vendor fails', async () => {
    await open()
    vendor.answerWith((response) => void response.writeHead(500).end())
    expect(await ask()).toMatchObject({ status: 503, setCookies: [renewed] })
  })

  it('go to every caller whose question was answered, and never come from memory', async () => {
    await open()
    const answers: (() => void)[] = []
    app.answer = (...given) => void answers.push(() => answerWith([renewed])(...given))
    const asked = [ask(), ask(), ask()]
    for (let arrived = 0; arrived < 3; arrived += 1) await once(broker.server, 'request')
    await vi.waitFor(() => expect(answers).toHaveLength(1))
    await send(`${broker.url}/healthz`)
    answers[0]!()
    expect((await Promise.all(asked)).map(({ setCookies }) => setCookies)).toEqual([
      [renewed],
      [renewed],
      [renewed],
    ])
    expect(await ask()).toEqual({ status: 200, setCookies: undefined })
    expect(app.received).toHaveLength(1)
  })

  it('come without the other cookies of the answer', async () => {
    await open()
    const others = ['sessionx=1; Path=/', 'theme=dark', ' =', '', 'old=1']
    app.answer = answerWith([...others, renewed, 'session.1=b; Path=/'])
    expect(await ask(sameOrigin, 'session.1=a; session=old')).toMatchObject({
      setCookies: [renewed, 'session.1=b; Path=/'],
    })
  })

  it('may be among sixty kilobytes of others', async () => {
    await open()
    app.answer = answerWith([...Array.from({ length: 40 }, (_, n) => `c${n}=${'x'.repeat(1_500)}`), renewed])
    expect(await ask()).toEqual({ status: 200, setCookies: [renewed] })
  })
})

describe('Renewed cookies', () => {
  it.each<[string, Parameters<typeof answerWith>]>([
    ['signed out by its status', [[renewed], ada, 401]],
    ['signed out by its claims', [[renewed], {}]],
    ['of a user without a usable email', [[renewed], { sub: 'u1' }]],
  ])('are dropped from an answer that is %s', async (_name, answer) => {
    await open()
    app.answer = answerWith(...answer)
    expect((await ask()).setCookies).toBeUndefined()
  })

  it.each<[string, Record<string, string | undefined>, Record<string, string>, string]>([
    ['PUBLIC_URL is not set', { PUBLIC_URL: undefined }, sameOrigin, 'public_url_has_another_host'],
    [
      'PUBLIC_URL is of another host than the app',
      { PUBLIC_URL: 'https://widgets.example.com' },
      sameOrigin,
      'public_url_has_another_host',
    ],
    [
      'the page is of another host than the app',
      { PUBLIC_URL: 'http://127.0.0.1,https://widgets.example.com' },
      { Origin: 'https://widgets.example.com' },
      'public_url_has_another_host',
    ],
    ['the page is of another origin', {}, { Origin: 'https://app.example.com' }, 'not_same_origin'],
    [
      'the page is of another site',
      {},
      { Origin: 'https://app.example.com', 'Sec-Fetch-Site': 'cross-site' },
      'not_same_origin',
    ],
  ])('are dropped if %s, and the log says why once', async (_name, changes, headers, outcome) => {
    await open({ SESSION_CACHE_SECONDS: '0', ...changes })
    expect(await ask(headers)).toEqual({ status: 200, setCookies: undefined })
    expect(await ask(headers)).toEqual({ status: 200, setCookies: undefined })
    expect(warnings()).toEqual([outcome])
    expect(broker.logText()).not.toMatch(/session=|new;/)
  })

  it('are dropped if they are more than 8 KB', async () => {
    await open()
    app.answer = answerWith([renewed, `session=${'x'.repeat(8_200)}`])
    expect((await ask()).setCookies).toBeUndefined()
    expect(warnings()).toEqual(['cookies_too_large'])
  })

  it('are not logged if the answer is no session', async () => {
    await open({ PUBLIC_URL: undefined })
    app.answer = answerWith(['AWSALB=1; Path=/'])
    await ask()
    expect(warnings()).toEqual([])
  })
})
