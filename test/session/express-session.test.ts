import { sign } from 'cookie-signature'
import { createClient } from 'redis'
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { createExpressSessionVerifier } from '../../src/session/express-session.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { createRedisServer, redisMissing, type RedisServer } from '../peers/redis.ts'
import { everybody, findMixups } from '../peers/crowd.ts'
import { atEnd } from '../peers/clean-up.ts'
import { openDoor, policy, type Door } from '../peers/door.ts'
import { watchRedis } from '../peers/monitor.ts'
import { startRespServer } from '../peers/resp.ts'
import { openShop, shopSecret, type Shop } from '../peers/shop.ts'

const anHourAgo = new Date(Date.now() - 3_600_000).toISOString()

const identity = { ...policy, emailClaims: ['user.email'] }

type Verifier = ReturnType<typeof createExpressSessionVerifier>

describe.skipIf(redisMissing)(`express-session with a real Redis ${redisMissing ?? ''}`, () => {
  let redis: RedisServer
  let admin: ReturnType<typeof createAdmin>

  function createAdmin() {
    return createClient({ url: redis.url })
  }

  beforeAll(async () => {
    redis = await createRedisServer()
    await redis.start()
    admin = createAdmin()
    await admin.connect()
    atEnd(() => admin.destroy())
  })

  beforeEach(async () => {
    await admin.flushAll()
  })

  function createVerifier(
    changes: Partial<Parameters<typeof createExpressSessionVerifier>[0]> = {},
  ): Verifier {
    const verifier = createExpressSessionVerifier({
      storeUrl: redis.url,
      prefix: 'sess:',
      secrets: [shopSecret],
      cookie: 'connect.sid',
      timeoutMs: 2_000,
      identity,
      logger: createLogger({ level: 'silent' }),
      ...changes,
    })
    atEnd(() => verifier.close())
    return verifier
  }

  const openStoreDoor = (changes: Parameters<typeof createVerifier>[0] = {}): Promise<Door> =>
    openDoor([createVerifier(changes)], identity)

  const openShopHere = (changes: Partial<Parameters<typeof openShop>[0]> = {}): Promise<Shop> =>
    openShop({ storeUrl: redis.url, ...changes })

  /** The only key there is. */
  async function findKey(): Promise<string> {
    return (await admin.keys('*'))[0]!
  }

  async function changeStored(change: (stored: { cookie: Record<string, unknown> }) => void): Promise<void> {
    const key = await findKey()
    const stored = JSON.parse((await admin.get(key))!) as { cookie: Record<string, unknown> }
    change(stored)
    await admin.set(key, JSON.stringify(stored), { expiration: 'KEEPTTL' })
  }

  describe('a session that the app made', () => {
    test('The cookie that the app signed names the user of the session in its store', async () => {
      const [shop, door] = await Promise.all([openShopHere(), openStoreDoor()])
      const cookie = await shop.signIn('ada@example.com')
      expect(cookie).toMatch(/^connect\.sid=s%3A/)
      expect(await door.ask([['Cookie', `theme=dark; ${cookie}`]])).toMatchObject({
        status: 200,
        email: 'ada@example.com',
      })
    })

    test('Prefix and cookie name are those of the app', async () => {
      const names = { prefix: 'shop:session:', cookie: 'shop.sid' }
      const [shop, door, other] = await Promise.all([
        openShopHere(names),
        openStoreDoor(names),
        openStoreDoor({ ...names, prefix: 'sess:' }),
      ])
      const cookie = await shop.signIn('ada@example.com')
      expect(await door.ask([['Cookie', cookie]])).toMatchObject({ email: 'ada@example.com' })
      expect(await other.ask([['Cookie', cookie]])).toMatchObject({ status: 401, outcome: 'session_unknown' })
    })

    test('A cookie signed with a retired secret is accepted while that secret is listed', async () => {
      const shop = await openShopHere({ secret: ['old-secret'] })
      const cookie = await shop.signIn('ada@example.com')
      const rotating = await openStoreDoor({ secrets: ['new-secret', 'old-secret'] })
      const rotated = await openStoreDoor({ secrets: ['new-secret'] })
      expect(await rotating.ask([['Cookie', cookie]])).toMatchObject({ email: 'ada@example.com' })
      expect(await rotated.ask([['Cookie', cookie]])).toMatchObject({
        status: 401,
        outcome: 'cookie_signature',
      })
    })

    test('A session that ended by sign-out is refused from then on', async () => {
      const [shop, door] = await Promise.all([openShopHere(), openStoreDoor()])
      const cookie = await shop.signIn('ada@example.com')
      expect(await door.ask([['Cookie', cookie]])).toMatchObject({ status: 200 })
      await shop.signOut(cookie)
      expect(await door.ask([['Cookie', cookie]])).toMatchObject({ status: 401, code: 'session_invalid' })
    })

    test('The session of a visitor who is not signed in counts as signed out', async () => {
      const [shop, door] = await Promise.all([openShopHere(), openStoreDoor()])
      const cookie = await shop.signIn('ada@example.com')
      await changeStored((stored) => Object.assign(stored, { user: undefined, cart: ['a book'] }))
      const refusal = { status: 401, code: 'session_invalid', outcome: 'session_without_user' }
      expect(await door.ask([['Cookie', cookie]])).toMatchObject(refusal)
    })

    test('The log names the fields of a session without a user once, in case a claim is mistyped', async () => {
      const lines: string[] = []
      const logger = createLogger({ level: 'info', destination: { write: (line) => lines.push(line) } })
      const mistyped = { ...policy, emailClaims: ['user.mail'] }
      const [shop, door] = await Promise.all([openShopHere(), openStoreDoor({ logger, identity: mistyped })])
      const cookie = await shop.signIn('ada@example.com')
      for (let asked = 0; asked < 2; asked += 1)
        expect(await door.ask([['Cookie', cookie]])).toMatchObject({ status: 401 })
      const warnings = lines.map((line) => JSON.parse(line) as object)
      expect(warnings).toMatchObject([{ event: 'session_without_user', fields: ['user'] }])
      expect(lines.join('')).not.toContain('ada@')
    })

    test('A session with an unusable email is refused as such', async () => {
      const [shop, door] = await Promise.all([openShopHere(), openStoreDoor()])
      const cookie = await shop.signIn('nobody')
      expect(await door.ask([['Cookie', cookie]])).toMatchObject({ status: 403, code: 'identity_unusable' })
    })

    test('Each of 1,000 mixed requests gets its own user', async () => {
      const [shop, door] = await Promise.all([openShopHere(), openStoreDoor()])
      const cookies = new Map<string, string>()
      for (const email of everybody) cookies.set(email, await shop.signIn(email))
      expect(await findMixups(door, (email) => [['Cookie', cookies.get(email)!]])).toEqual([])
    })
  })

  describe('the end of a session', () => {
    test('A session that visits prolong stays valid, although its stored cookie says that it has expired', async () => {
      const [shop, door] = await Promise.all([openShopHere(), openStoreDoor()])
      const cookie = await shop.signIn('ada@example.com')
      await changeStored((stored) => (stored.cookie.expires = anHourAgo))
      await admin.pExpire(await findKey(), 30_000)
      await shop.visit(cookie)
      expect(await admin.pTTL(await findKey())).toBeGreaterThan(3_000_000)
      expect(await admin.get(await findKey())).toContain(anHourAgo)
      expect(await door.ask([['Cookie', cookie]])).toMatchObject({ status: 200 })
    })

    test('A session whose key has expired is refused', async () => {
      const [shop, door] = await Promise.all([openShopHere(), openStoreDoor()])
      const cookie = await shop.signIn('ada@example.com')
      await admin.pExpireAt(await findKey(), Date.now() - 1)
      expect(await door.ask([['Cookie', cookie]])).toMatchObject({ status: 401, code: 'session_invalid' })
    })

    test('If keys do not expire, the stored cookie says when the session expires', async () => {
      const [shop, door] = await Promise.all([openShopHere({ disableTTL: true }), openStoreDoor()])
      const cookie = await shop.signIn('ada@example.com')
      expect(await admin.pTTL(await findKey())).toBe(-1)
      expect(await door.ask([['Cookie', cookie]])).toMatchObject({ status: 200 })
      await changeStored((stored) => (stored.cookie.expires = anHourAgo))
      expect(await door.ask([['Cookie', cookie]])).toMatchObject({ status: 401, outcome: 'session_expired' })
    })

    test.each([
      ['the stored cookie lasts as long as the browser', null, 200],
      ['nobody can read the expiry of the stored cookie', 'soon', 503],
    ])('Where keys have no end and %s (%j), the answer is %i', async (_, expires, status) => {
      const [shop, door] = await Promise.all([openShopHere({ disableTTL: true }), openStoreDoor()])
      const cookie = await shop.signIn('ada@example.com')
      await changeStored((stored) => (stored.cookie.expires = expires))
      expect(await door.ask([['Cookie', cookie]])).toMatchObject({ status })
    })

    test('The session ends for the broker when its key ends', async () => {
      const shop = await openShopHere({ maxAgeMs: 60_000 })
      const cookie = decodeURIComponent((await shop.signIn('ada@example.com')).split('=')[1]!)
      const { expiresAt } = await createVerifier().verify(cookie, new AbortController().signal)
      expect(expiresAt! - performance.now()).toBeGreaterThan(50_000)
      expect(expiresAt! - performance.now()).toBeLessThanOrEqual(60_000)
    })
  })

  describe('cookies that the app did not sign', () => {
    const spoilings: [string, (signed: string, id: string) => string, string][] = [
      ['the bare session id', (_, id) => id, 'cookie_unsigned'],
      ['the signature without its mark', (signed) => signed.slice(2), 'cookie_unsigned'],
      ['no signature', (_, id) => `s:${id}`, 'cookie_signature'],
      ['an empty signature', (_, id) => `s:${id}.`, 'cookie_signature'],
      ['half a signature', (signed) => signed.slice(0, -20), 'cookie_signature'],
      ['a signature with another end', (signed) => `${signed}A`, 'cookie_signature'],
      ['another id', (signed) => signed.replace('s:', 's:x'), 'cookie_signature'],
      ['the signature of another secret', (_, id) => `s:${sign(id, 'a-guess')}`, 'cookie_signature'],
      ['the signature of an empty secret', (_, id) => `s:${sign(id, '')}`, 'cookie_signature'],
      ['a JSON cookie', (_, id) => `j:"${id}"`, 'cookie_unsigned'],
      ['a pattern', () => 's:*', 'cookie_signature'],
    ]

    test.each(spoilings)('A cookie with %s is refused, and Redis is not asked', async (_, spoil, outcome) => {
      const [shop, door, monitor] = await Promise.all([
        openShopHere(),
        openStoreDoor(),
        watchRedis(redis.url),
      ])
      const signed = decodeURIComponent((await shop.signIn('ada@example.com')).split('=')[1]!)
      const id = signed.slice(2, signed.lastIndexOf('.'))
      const value = encodeURIComponent(spoil(signed, id))
      const verdict = await door.ask([['Cookie', `connect.sid=${value}`]])
      expect(verdict).toMatchObject({ status: 401, code: 'session_invalid', outcome })
      expect(await monitor.read()).not.toContainEqual(expect.stringMatching(/"(GET|PTTL)"/i))
    })

    test('The watch on Redis sees the broker ask when the cookie is valid', async () => {
      const [shop, door, monitor] = await Promise.all([
        openShopHere(),
        openStoreDoor(),
        watchRedis(redis.url),
      ])
      await door.ask([['Cookie', await shop.signIn('ada@example.com')]])
      const lines = await monitor.read()
      expect(lines.filter((line) => /"(GET|PTTL)" "sess:/.test(line))).toHaveLength(2)
    })

    test('Beside a cookie that the app signed, those that it did not sign do not count', async () => {
      const [shop, door] = await Promise.all([openShopHere(), openStoreDoor()])
      const cookie = await shop.signIn('ada@example.com')
      const foreign = `connect.sid=${encodeURIComponent(`s:${sign('an-id', 'another-secret')}`)}`
      for (const pairs of [`${foreign}; ${cookie}`, `${cookie}; connect.sid=old; ${foreign}`])
        expect(await door.ask([['Cookie', pairs]])).toMatchObject({ status: 200, email: 'ada@example.com' })
    })

    test('Two signed cookies of different sessions are ambiguous, two of the same session are one', async () => {
      const secrets = [shopSecret, 'old-secret']
      const [shop, door] = await Promise.all([openShopHere(), openStoreDoor({ secrets })])
      const [one, other] = [await shop.signIn('ada@example.com'), await shop.signIn('eve@example.com')]
      expect(await door.ask([['Cookie', `${one}; ${other}`]])).toMatchObject({
        status: 400,
        code: 'bad_request',
      })
      const id = decodeURIComponent(one).slice('connect.sid=s:'.length).split('.')[0]!
      const resigned = `connect.sid=${encodeURIComponent(`s:${sign(id, 'old-secret')}`)}`
      expect(await door.ask([['Cookie', `${resigned}; ${one}`]])).toMatchObject({ status: 200 })
    })

    test('A stored session of more than 64 KiB is refused without being parsed', async () => {
      const [shop, door] = await Promise.all([openShopHere(), openStoreDoor()])
      const cookie = await shop.signIn('ada@example.com')
      const key = await findKey()
      const stored = (await admin.get(key))!
      const padded = (bytes: number) =>
        stored.replace('{', `{"x":"${'x'.repeat(bytes - stored.length - 7)}",`)
      await admin.set(key, padded(65_536), { expiration: 'KEEPTTL' })
      expect(await door.ask([['Cookie', cookie]])).toMatchObject({ status: 200 })
      await admin.set(key, `not JSON ${padded(65_536)}`, { expiration: 'KEEPTTL' })
      expect(await door.ask([['Cookie', cookie]])).toMatchObject({
        status: 401,
        outcome: 'stored_session_too_large',
      })
    })

    test('Two different cookies of the name are ambiguous, and no cookie is no session', async () => {
      const [shop, door] = await Promise.all([openShopHere(), openStoreDoor()])
      const cookie = await shop.signIn('ada@example.com')
      const other = await shop.signIn('eve@example.com')
      expect(await door.ask([['Cookie', `${cookie}; ${other}`]])).toMatchObject({ code: 'bad_request' })
      expect(await door.ask([['Cookie', 'theme=dark']])).toMatchObject({ code: 'session_missing' })
    })
  })

  describe('a store that holds something else', () => {
    const cookie = `connect.sid=${encodeURIComponent(`s:${sign('an-id', shopSecret)}`)}`

    test.each(['', '{"cookie":', 'null', '[]', '"text"'])(
      'The text %j is an outage, not a user',
      async (text) => {
        const door = await openStoreDoor()
        await admin.set('sess:an-id', text)
        expect(await door.ask([['Cookie', cookie]])).toMatchObject({
          status: 503,
          code: 'session_source_unavailable',
          outcome: 'stored_session_not_json',
        })
      },
    )

    test('A key of another kind is an outage, not a user', async () => {
      const door = await openStoreDoor()
      await admin.hSet('sess:an-id', 'email', 'ada@example.com')
      expect(await door.ask([['Cookie', cookie]])).toMatchObject({ status: 503, outcome: 'redis_refused' })
    })
  })

  describe('a store out of reach', () => {
    test('A store that stops is an outage, reported at once and with Retry-After, until it is back', async () => {
      const own = await createRedisServer()
      const door = await openStoreDoor({ storeUrl: own.url })
      const cookie = [
        'Cookie',
        `connect.sid=${encodeURIComponent(`s:${sign('an-id', shopSecret)}`)}`,
      ] as const
      const outage = { status: 503, code: 'session_source_unavailable', retryAfter: '5' }
      expect(await door.ask([cookie])).toEqual({ ...outage, outcome: 'redis_offline' })
      await own.start()
      const isBack = async () =>
        expect(await door.ask([cookie])).toMatchObject({ outcome: 'session_unknown' })
      await vi.waitFor(isBack, { interval: 50 })
      await own.kill()
      expect(await door.ask([cookie])).toEqual({ ...outage, outcome: 'redis_offline' })
    })
  })
})

describe('A store that refuses the broker is an outage whose outcome says why', () => {
  test.each([
    ['a cluster that keeps the key elsewhere', '-MOVED 3999 127.0.0.1:6381', 'redis_moved'],
    ['a cluster that is moving the key', '-ASK 3999 127.0.0.1:6381', 'redis_moved'],
    ['a cluster that is down', '-CLUSTERDOWN The cluster is down', 'redis_moved'],
    ['a server that wants a login', '-NOAUTH Authentication required.', 'redis_auth'],
    [
      'a user without the right to read',
      "-NOPERM this user has no permissions to run the 'get' command",
      'redis_permission',
    ],
    [
      'a replica that takes no writes',
      "-READONLY You can't write against a read only replica.",
      'redis_readonly',
    ],
    ['a server that is still loading', '-LOADING Redis is loading the dataset in memory', 'redis_refused'],
  ])('%s', async (_name, reply, outcome) => {
    const storeUrl = await startRespServer(reply)
    const settings = { prefix: 'sess:', secrets: [shopSecret], cookie: 'connect.sid', timeoutMs: 10_000 }
    const logger = createLogger({ level: 'silent' })
    const verifier = createExpressSessionVerifier({ storeUrl, ...settings, identity, logger })
    atEnd(() => verifier.close())
    const door = await openDoor([verifier])
    const cookie = `connect.sid=${encodeURIComponent(`s:${sign('an-id', shopSecret)}`)}`
    const refusal = { status: 503, code: 'session_source_unavailable', outcome, retryAfter: '5' }
    expect(await door.ask([['Cookie', cookie]])).toEqual(refusal)
    expect(await door.ask([['Cookie', cookie]])).toEqual(refusal)
  })
})
