import { sign } from 'cookie-signature'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startBroker, type RunningBroker } from '../peers/broker.ts'
import { createRedisServer, redisMissing, type RedisServer } from '../peers/redis.ts'
import { startVendor, type Vendor } from '../peers/vendor.ts'
import { openShop, shopSecret, type Shop } from '../peers/shop.ts'

describe.skipIf(redisMissing)(`The broker beside an app with connect-redis ${redisMissing ?? ''}`, () => {
  let redis: RedisServer
  let shop: Shop
  let vendor: Vendor
  let broker: RunningBroker

  beforeAll(async () => {
    redis = await createRedisServer()
    await redis.start()
    vendor = await startVendor()
    shop = await openShop({ storeUrl: redis.url, secret: ['new-secret', shopSecret] })
    broker = await startBroker({
      WIDGET_BASE_URL: vendor.url,
      SESSION_MODE: 'express-session',
      SESSION_JWT_SECRET: undefined,
      SESSION_STORE_URL: redis.url,
      SESSION_SECRET: `new-secret,${shopSecret}`,
      SESSION_EMAIL_CLAIM: 'user.email',
    })
  })

  beforeEach(() => {
    vendor.requests.length = 0
  })

  async function ask(cookie: string) {
    const answer = await broker.askToken({ cookie })
    const { code } = (await answer.json()) as { code?: string }
    return { status: answer.status, code, emails: vendor.requests.map(({ headers }) => headers.email) }
  }

  test('The user of a session in the store gets a token, until the session is signed out', async () => {
    const cookie = await shop.signIn('ada@example.com')
    expect(await ask(cookie)).toMatchObject({ status: 200, emails: ['ada@example.com'] })
    await shop.signOut(cookie)
    vendor.requests.length = 0
    expect(await ask(cookie)).toEqual({ status: 401, code: 'session_invalid', emails: [] })
  })

  test('Two users of the app get tokens of their own', async () => {
    const cookies = [await shop.signIn('ada@example.com'), await shop.signIn('eve@example.com')]
    for (const cookie of cookies) await ask(cookie)
    expect(vendor.requests.map(({ headers }) => headers.email)).toEqual([
      'ada@example.com',
      'eve@example.com',
    ])
  })

  test.each([
    ['unsigned', 'connect.sid=an-id'],
    ['signed by another', `connect.sid=${encodeURIComponent(`s:${sign('an-id', 'a-guess')}`)}`],
    ['signed but unknown', `connect.sid=${encodeURIComponent(`s:${sign('an-id', shopSecret)}`)}`],
  ])('A cookie that is %s gets nothing, and the vendor is not asked', async (_, cookie) => {
    expect(await ask(cookie)).toEqual({ status: 401, code: 'session_invalid', emails: [] })
  })

  test('Neither cookie, session id, secret nor email is in the log', async () => {
    const cookie = await shop.signIn('ada@example.com')
    await ask(cookie)
    const id = decodeURIComponent(cookie).slice('connect.sid=s:'.length).split('.')[0]!
    for (const secret of [cookie, id, shopSecret, '@example.com'])
      expect(broker.logText()).not.toContain(secret)
  })

  test('A store that hangs is an outage within the deadline, and the vendor is not asked', async () => {
    const cookie = await shop.signIn('ada@example.com')
    const hasty = await startBroker({
      SESSION_MODE: 'express-session',
      SESSION_JWT_SECRET: undefined,
      SESSION_STORE_URL: redis.url,
      SESSION_SECRET: 'new-secret',
      VENDOR_TIMEOUT_MS: '400',
    })
    redis.freeze()
    const answer = await hasty.askToken({ cookie })
    redis.thaw()
    await hasty.close()
    expect([answer.status, answer.headers.get('retry-after'), vendor.requests]).toEqual([503, '5', []])
  })
})
