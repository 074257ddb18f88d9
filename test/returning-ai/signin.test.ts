import { beforeEach, describe, expect, it } from 'vitest'
import { useBroker, type RunningBroker } from '../peers/broker.ts'
import { mintVendorToken, type Vendor } from '../peers/vendor.ts'

let vendor: Vendor
let broker: RunningBroker

beforeEach(async () => {
  ;({ vendor, broker } = await useBroker())
})

function say(token: string): void {
  vendor.answerWith((response) => void response.writeHead(200).end(JSON.stringify({ token })))
}

async function ask() {
  const answer = await broker.askToken({ 'cache-control': 'no-cache' })
  return (await answer.json()) as { token?: string; expiresIn?: number }
}

const mismatches = () => broker.logLines().filter(({ event }) => event === 'vendor_identity_mismatch')

describe('A token of the vendor', () => {
  it('that has an expiry comes with the seconds until then', async () => {
    say(await mintVendorToken('ada@example.com', 120))
    const { expiresIn } = await ask()
    expect(expiresIn).toBeGreaterThan(115)
    expect(expiresIn).toBeLessThanOrEqual(120)
  })

  it('with an impossibly late expiry comes without one', async () => {
    const token = `e30.${Buffer.from('{"exp":1e306}').toString('base64url')}.c2ln`
    say(token)
    expect(await ask()).toEqual({ token, subject: expect.any(String) })
  })

  it.each(['opaque-token-1', 'not.a.jwt', '"<>&{}=1', 'x'.repeat(8192)])(
    'is passed on unchanged if it is not a JWT: $0',
    async (token) => {
      say(token)
      expect(await ask()).toEqual({ token, subject: expect.any(String) })
    },
  )

  it('for another email is passed on, because its claims are not documented, with one warning that does not show it', async () => {
    say(await mintVendorToken('eve@example.com'))
    for (let mint = 0; mint < 3; mint += 1) expect((await ask()).token).toBeDefined()
    expect(mismatches()).toMatchObject([{ level: 'warn', keyId: expect.stringMatching(/^[0-9a-f]{8}$/) }])
    expect(broker.logText()).not.toContain('@')
  })

  it('for the same email in another case causes no warning', async () => {
    say(await mintVendorToken('ADA@example.com'))
    await ask()
    expect(mismatches()).toEqual([])
  })
})
