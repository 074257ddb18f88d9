import { beforeEach, describe, expect, it, vi } from 'vitest'
import { signSession, useBroker, type RunningBroker } from '../peers/broker.ts'
import type { Vendor } from '../peers/vendor.ts'

let vendor: Vendor
let broker: RunningBroker

beforeEach(async () => {
  ;({ vendor, broker } = await useBroker({ RATE_LIMIT_PER_MINUTE: '10000' }))
})

/** Asks for a new token, and resolves to the status. */
async function ask(user: string): Promise<number> {
  const authorization = `Bearer ${await signSession({ sub: user, email: `${user}@example.com` })}`
  return (await broker.askToken({ authorization, 'cache-control': 'no-cache' })).status
}

/** The vendor answers by this status for some users, and with a token for the others. */
function failFor(users: readonly string[], status: number, headers: Record<string, string> = {}): void {
  vendor.answerWith((response, request) => {
    const [user = ''] = String(request.headers.email).split('@')
    if (!users.includes(user)) return vendor.giveToken(response, request)
    response.writeHead(status, headers).end()
  })
}

/** Every other user asks once, while those in trouble ask as often as all of them together. */
async function serve(troubled: readonly string[], others: number): Promise<number[]> {
  const statuses: number[] = []
  for (let nth = 0; nth < others; nth += 1) {
    await ask(troubled[nth % troubled.length]!)
    statuses.push(await ask(`user-${nth}`))
  }
  return statuses
}

describe('One user in trouble at the vendor', () => {
  it.each([
    ['an account for which the vendor fails', ['eve'], 504, {}],
    ['three accounts for which the vendor fails', ['eve', 'mallory', 'trudy'], 504, {}],
    ['an account that the vendor tells to wait', ['eve'], 429, { 'retry-after': '300' }],
  ])('does not affect the others: %s', async (_name, troubled, status, headers) => {
    failFor(troubled, status, headers)
    expect(await serve(troubled, 60)).toEqual(Array(60).fill(200))
  })

  it(
    'does not hold the others back after an outage by being the first to ask',
    { timeout: 30_000 },
    async () => {
      vendor.answerWith((response) => void response.writeHead(504).end())
      for (let nth = 0; nth < 10; nth += 1) await ask(`user-${nth}`)
      failFor(['eve'], 504)
      await ask('eve')
      const recoveredAt = performance.now()
      const anybodyIsServed = async () => {
        await ask('user-0')
        expect(await ask(`newcomer-${Math.random()}`)).toBe(200)
      }
      await vi.waitFor(anybodyIsServed, { timeout: 20_000, interval: 100 })
      expect(performance.now() - recoveredAt).toBeLessThan(10_000)
    },
  )
})
