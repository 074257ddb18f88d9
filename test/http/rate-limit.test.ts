import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { createClient } from 'redis'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { createLocalCounter } from '../../src/http/counter.ts'
import { networkOf } from '../../src/http/client-address.ts'
import { createRedis } from '../../src/outbound/redis.ts'
import { answerJson, startEndpoint, type Endpoint } from '../peers/endpoint.ts'
import { signSession, startBroker, type RunningBroker } from '../peers/broker.ts'
import { createRedisServer, redisMissing, type RedisServer } from '../peers/redis.ts'
import { audience, createToken, issuer, keySet } from '../peers/token.ts'
import { startSwitch } from '../peers/switch.ts'
import { startVendor, type Vendor } from '../peers/vendor.ts'

let vendor: Vendor

beforeEach(async () => {
  vendor = await startVendor()
})

function start(environment: Record<string, string> = {}): Promise<RunningBroker> {
  const limits = { RATE_LIMIT_PER_MINUTE: '3', TOKEN_CACHE_SECONDS: '0' }
  return startBroker({ WIDGET_BASE_URL: vendor.url, ...limits, ...environment })
}

async function statuses(
  times: number,
  broker: RunningBroker,
  headers: Record<string, string> = {},
): Promise<number[]> {
  const seen: number[] = []
  for (let count = 0; count < times; count += 1) seen.push((await broker.askToken(headers)).status)
  return seen
}

const storeLines = (broker: RunningBroker) =>
  broker.logLines().filter(({ event }) => event === 'rate_limit_store')
const bearer = async (claims = {}) => ({ authorization: `Bearer ${await signSession(claims)}` })
const refused = { authorization: 'Bearer no-session' }
const from = (address: string) => ({ 'x-forwarded-for': address })
const cookieFrom = (address: string, cookie: string) => ({ ...from(address), cookie })
const refuse = (_request: unknown, response: ServerResponse) => void response.writeHead(401).end()
/** Of a network over its limit of refusals: open at the session source, and waiting. */
const share = { open: 16, waiting: 128 }

/** Asks with so many different cookies of one network at once. */
const flood = (broker: RunningBroker, address: string, count: number) =>
  Array.from({ length: count }, (_, index) => broker.askToken(cookieFrom(address, `flood=${index}`)))

/** Uses up the network's limit by cookies that the app refuses. */
async function exhaust(broker: RunningBroker, address: string): Promise<void> {
  for (let index = 0; index < 11; index += 1)
    expect((await broker.askToken(cookieFrom(address, `sid=${index}`))).status).toBe(401)
}

describe('The limit of tokens minted per user', () => {
  it('answers 429 with Retry-After once it is reached, and the vendor is no longer called', async () => {
    const broker = await start()
    expect(await statuses(3, broker)).toEqual([200, 200, 200])
    const answer = await broker.askToken()
    expect(answer.status).toBe(429)
    expect(await answer.json()).toMatchObject({ code: 'rate_limited', status: 429 })
    const retryAfter = Number(answer.headers.get('retry-after'))
    expect(retryAfter).toBeGreaterThan(50)
    expect(retryAfter).toBeLessThanOrEqual(60)
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example.com')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(vendor.requests).toHaveLength(3)
  })

  it.each([
    ['asked for a pause', 1, 429, { 'retry-after': '5' }],
    ['is left alone after failures', 20, 504, {}],
  ])('counts no request while the vendor %s', async (_state, failures, status, headers) => {
    const broker = await start({ RATE_LIMIT_PER_MINUTE: '21' })
    vendor.answerWith((response) => void response.writeHead(status, headers).end())
    await broker.askToken()
    for (let user = 1; user < failures; user += 1)
      await broker.askToken(await bearer({ sub: `user-${user}`, email: `user-${user}@example.com` }))
    vendor.answerWith()
    const seen = vendor.requests.length
    expect(new Set(await statuses(30, broker))).toEqual(new Set([503]))
    expect(vendor.requests).toHaveLength(seen)
    expect(broker.logLines().filter(({ code }) => code === 'rate_limited')).toEqual([])
  })

  it('does not count a request that finds the queue full', async () => {
    const broker = await start({ VENDOR_MAX_CONNECTIONS: '1', VENDOR_MAX_QUEUE: '0' })
    const { asked, release } = vendor.hold()
    const first = broker.askToken(await bearer({ sub: 'grace', email: 'grace@example.com' }))
    await asked
    expect(await statuses(10, broker)).toEqual(Array(10).fill(503))
    release()
    expect((await first).status).toBe(200)
    vendor.answerWith()
    expect(await statuses(3, broker)).toEqual([200, 200, 200])
  })

  it('is shown in the RateLimit fields of minted answers and of the 429', async () => {
    const broker = await start()
    const first = await broker.askToken()
    expect(first.headers.get('ratelimit-policy')).toBe('"user";q=3;w=60')
    expect(first.headers.get('ratelimit')).toBe('"user";r=2;t=60')
    await statuses(2, broker)
    const limited = await broker.askToken()
    expect(limited.headers.get('ratelimit-policy')).toBe('"user";q=3;w=60')
    expect(limited.headers.get('ratelimit')).toMatch(/^"user";r=0;t=\d+$/)
  })

  it('does not count a reused token', async () => {
    const broker = await start({ TOKEN_CACHE_SECONDS: '60' })
    const session = await bearer()
    expect(await statuses(10, broker, session)).toEqual(Array(10).fill(200))
    const reused = await broker.askToken(session)
    expect(reused.headers.get('ratelimit')).toBe(null)
    const fresh = await broker.askToken({ ...session, 'cache-control': 'no-cache' })
    expect(fresh.headers.get('ratelimit')).toMatch(/^"user";r=1;/)
  })

  it('counts all sessions of a user together, and each user separately', async () => {
    const broker = await start()
    for (const sid of ['one', 'two', 'three'])
      expect((await broker.askToken(await bearer({ sid }))).status).toBe(200)
    expect((await broker.askToken(await bearer({ sid: 'four' }))).status).toBe(429)
    const grace = await bearer({ sub: 'grace', email: 'grace@example.com' })
    expect((await broker.askToken(grace)).status).toBe(200)
  })

  it('still gives a user at the limit the remembered token', async () => {
    const broker = await start({ TOKEN_CACHE_SECONDS: '60' })
    const session = await bearer()
    const fresh = { ...session, 'cache-control': 'no-cache' }
    expect(await statuses(4, broker, fresh)).toEqual([200, 200, 200, 429])
    expect((await broker.askToken(session)).status).toBe(200)
  })
})

describe('The limit of refusals per client network', () => {
  const forwarded = { SESSION_MODE: 'forward-auth', TRUST_PROXY: '127.0.0.1/32', RATE_LIMIT_PER_MINUTE: '1' }
  let app: Endpoint

  beforeEach(async () => {
    app = await startEndpoint(refuse)
  })

  const startWithApp = (environment = {}) =>
    start({ ...forwarded, SESSION_FORWARD_URL: `${app.origin}/me`, ...environment })

  it.each([
    ['a missing session', 401, () => ({ authorization: '' })],
    ['a refused session', 401, () => refused],
    ['a foreign origin', 403, () => ({ origin: 'https://evil.example' })],
    ['a session without a usable email', 403, () => bearer({ email: 'no email' })],
    ['two different credentials of a kind', 400, () => ({ cookie: 'sid=one; sid=two' })],
  ])('does not change the answer to %s, however many came before', async (_case, status, headers) => {
    const broker = await start({ RATE_LIMIT_PER_MINUTE: '1', SESSION_JWT_SOURCE: 'bearer,cookie:sid' })
    const seen = await statuses(20, broker, await headers())
    expect(seen).toEqual(Array(20).fill(status))
    expect((await broker.askToken(await bearer({ sid: 'good' }))).status).toBe(200)
  })

  it('lets a network over its limit keep 16 open questions, queues the next, and answers 429 past the queue', async () => {
    const broker = await startWithApp()
    await exhaust(broker, '203.0.113.7')
    const held: ServerResponse[] = []
    app.answer = (_request, response) => void held.push(response)
    const asked = flood(broker, '203.0.113.7', share.open + share.waiting + 1)
    await vi.waitFor(() => expect(held).toHaveLength(share.open), { interval: 5 })
    const limited = await Promise.race(asked)
    expect(limited.status).toBe(429)
    expect(limited.headers.get('ratelimit-policy')).toBe('"address";q=10;w=60')
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(held).toHaveLength(share.open)
    app.answer = answerJson({ sub: 'ada', email: 'ada@example.com' })
    expect((await broker.askToken(cookieFrom('203.0.113.8', 'sid=ada'))).status).toBe(200)
    app.answer = refuse
    for (const response of held) refuse(undefined, response)
    const answered = (await Promise.all(asked)).map(({ status }) => status)
    expect(answered.filter((status) => status === 401)).toHaveLength(share.open + share.waiting)
  })

  /** Whether a flood of new cookies is held back by the small share: then one of them gets 429 while others wait. */
  async function isLimited(broker: RunningBroker, address: string): Promise<boolean> {
    const held: ServerResponse[] = []
    app.answer = (_request, response) => void held.push(response)
    const asked = flood(broker, address, share.open + share.waiting + 1)
    let limited = false
    for (const one of asked) void one.then(({ status }) => (limited ||= status === 429))
    await vi.waitFor(() => expect(limited || held.length > share.open).toBe(true), { interval: 5 })
    app.answer = refuse
    for (const response of held) refuse(undefined, response)
    await Promise.all(asked)
    return limited
  }

  it('counts no request without a credential', async () => {
    const broker = await startWithApp()
    expect(await statuses(30, broker, { ...from('203.0.113.7'), authorization: '' })).toEqual(
      Array(30).fill(401),
    )
    expect(await isLimited(broker, '203.0.113.7')).toBe(false)
  })

  it('counts a token whose key is not known yet, because strangers can send them at will', async () => {
    const keys = await startEndpoint(answerJson(keySet))
    const broker = await startWithApp({
      SESSION_MODE: 'jwt,forward-auth',
      SESSION_JWT_SECRET: undefined,
      SESSION_JWT_JWKS_URL: keys.origin,
      SESSION_JWT_ISSUER: issuer,
      SESSION_JWT_AUDIENCE: audience,
    })
    const seen: number[] = []
    for (let nth = 0; nth < 12; nth += 1) {
      const authorization = `Bearer ${createToken({ header: { kid: `strange-${nth}` } })}`
      seen.push((await broker.askToken({ ...from('203.0.113.7'), authorization })).status)
    }
    expect(seen.filter((status) => status === 503).length).toBeGreaterThanOrEqual(8)
    expect(await isLimited(broker, '203.0.113.7')).toBe(true)
  })

  it('does not affect the known sessions of a network over the limit', async () => {
    const broker = await startWithApp({ TOKEN_CACHE_SECONDS: '60' })
    app.answer = answerJson({ sub: 'ada', email: 'ada@example.com' })
    const ada = cookieFrom('203.0.113.7', 'sid=ada')
    expect((await broker.askToken(ada)).status).toBe(200)
    app.answer = refuse
    await exhaust(broker, '203.0.113.7')
    expect((await broker.askToken(ada)).status).toBe(200)
  })

  it.each([
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.1', '::ffff:192.0.2.1', true],
    ['192.0.2.1', '::ffff:c000:201', true],
    ['192.0.2.1', '192.0.2.2', false],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.2', false],
    ['2001:db8:0:100::1', '2001:db8:0:1ff:9::2', true],
    ['2001:db8:0:100::1', '2001:db8:0:200::1', false],
    ['fe80::1%eth0', 'fe80::2%eth0', true],
  ])('sees %s and %s as one network: %s', (one, other, same) => {
    expect(networkOf(one) === networkOf(other)).toBe(same)
  })
})

describe('A counter in the process', () => {
  it('restarts when the window of a key has ended', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const count = createLocalCounter({ windowMs: 60_000, maxKeys: 10 })
    const counted = [count('a'), count('a')]
    vi.advanceTimersByTime(59_999)
    counted.push(count('a'))
    vi.advanceTimersByTime(1)
    counted.push(count('a'))
    vi.useRealTimers()
    expect(counted).toMatchObject([{ count: 1 }, { count: 2 }, { count: 3, leftMs: 1 }, { count: 1 }])
  })

  it('drops the key that was last counted longest ago instead of growing', async () => {
    const count = createLocalCounter({ windowMs: 60_000, maxKeys: 2 })
    for (const key of ['busy', 'old', 'busy', 'new', 'busy', 'newer', 'busy', 'newest']) await count(key)
    expect(count('busy')).toMatchObject({ count: 5 })
    expect(count('old')).toMatchObject({ count: 1 })
  })
})

/** Mints for new users until one of them is counted there. */
async function untilCounting(broker: RunningBroker, url: string): Promise<void> {
  const probe = createRedis({ url, timeoutMs: 2_000 })
  await vi.waitFor(async () => {
    const sub = randomUUID()
    const { subject } = await (await broker.askToken(await bearer({ sub }))).json()
    expect(await probe.run((client) => client.exists(`token-broker:user:signin:${subject}`))).toBe(1)
  })
  probe.close()
}

describe.skipIf(redisMissing)(`Replicas with one Redis ${redisMissing ?? ''}`, () => {
  let redis: RedisServer

  beforeEach(async () => {
    redis = await createRedisServer()
    await redis.start()
  })

  /** A broker whose Redis is connected: what it minted before counted for itself. */
  async function startShared(environment: Record<string, string> = {}): Promise<RunningBroker> {
    const broker = await start({ REDIS_URL: redis.url, ...environment })
    await untilCounting(broker, redis.url)
    return broker
  }

  it('share the limit of a user', async () => {
    const [one, two] = [await startShared(), await startShared()]
    expect(await statuses(2, one)).toEqual([200, 200])
    expect(await statuses(2, two)).toEqual([200, 429])
    expect(await statuses(1, one)).toEqual([429])
  })

  it('share the limit of an address', async () => {
    const app = await startEndpoint(refuse)
    const SESSION_FORWARD_URL = `${app.origin}/me`
    const settings = { RATE_LIMIT_PER_MINUTE: '1', SESSION_MODE: 'jwt,forward-auth', SESSION_FORWARD_URL }
    const [one, two] = [await startShared(settings), await startShared(settings)]
    expect(await statuses(6, one, { cookie: 'sid=1' })).toEqual(Array(6).fill(401))
    expect(await statuses(5, two, { cookie: 'sid=1' })).toEqual(Array(5).fill(401))
    const held: ServerResponse[] = []
    app.answer = (_request, response) => void held.push(response)
    const asked = flood(two, '203.0.113.7', share.open + share.waiting + 1)
    expect((await Promise.race(asked)).status).toBe(429)
    app.answer = refuse
    for (const response of held) refuse(undefined, response)
    await Promise.all(asked)
  })

  it('share the limit again after a failover, over a new connection', async () => {
    const successor = await createRedisServer()
    await successor.start()
    const address = await startSwitch(Number(new URL(redis.url).port))
    const settings = { REDIS_URL: address.url, RATE_LIMIT_PER_MINUTE: '5' }
    const brokers = [await startShared(settings), await startShared(settings)]
    const admin = await createClient({ url: redis.url }).connect()
    const { port } = new URL(successor.url)
    await admin.sendCommand(['REPLICAOF', '127.0.0.1', port])
    address.target.port = Number(port)
    for (const broker of brokers) await untilCounting(broker, successor.url)
    const seen: number[] = []
    for (let round = 0; round < 6; round += 1)
      for (const broker of brokers) seen.push(...(await statuses(1, broker)))
    expect(seen).toEqual([...Array<number>(5).fill(200), ...Array<number>(7).fill(429)])
    admin.destroy()
  })

  it('count on their own while it is down, log that once, and log once that it is back', async () => {
    const broker = await startShared({ RATE_LIMIT_PER_MINUTE: '20' })
    expect((await broker.askToken()).status).toBe(200)
    const before = storeLines(broker).length
    const said = () => storeLines(broker).slice(before)
    await redis.kill()
    expect(await statuses(5, broker)).toEqual(Array(5).fill(200))
    // A busy machine may miss the deadline of the first.
    const outcome = expect.stringMatching(/^redis_(offline|timeout)$/)
    expect(said()).toMatchObject([{ level: 'warn', counting: 'local', outcome }])
    await redis.start()
    const grace = await bearer({ sub: 'grace', email: 'grace@example.com' })
    await vi.waitFor(async () => {
      await broker.askToken(grace)
      expect(said()).toHaveLength(2)
    })
    expect(said()[1]).toMatchObject({ level: 'info', counting: 'shared' })
  })

  it('keep limits of their own if it was never there', async () => {
    await redis.kill()
    const broker = await start({ REDIS_URL: redis.url })
    expect(await statuses(4, broker)).toEqual([200, 200, 200, 429])
    expect(storeLines(broker)).toHaveLength(1)
  })

  it('wait only briefly for a Redis that hangs', async () => {
    const broker = await startShared({ RATE_LIMIT_PER_MINUTE: '20' })
    expect((await broker.askToken()).status).toBe(200)
    redis.freeze()
    expect(await statuses(3, broker)).toEqual([200, 200, 200])
    redis.thaw()
    expect(storeLines(broker).at(-1)).toMatchObject({ outcome: 'redis_timeout' })
  })
})
