import { mkdtempSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { startBroker, type RunningBroker } from '../peers/broker.ts'
import { send } from '../peers/exchange.ts'
import { startEndpoint, type Endpoint } from '../peers/endpoint.ts'
import { createRedisServer, redisMissing, type RedisServer } from '../peers/redis.ts'
import { startVendor, type Vendor } from '../peers/vendor.ts'

// `Cache-Control: no-cache` asks the session source again: the user may have changed under the same cookie.

let app: Endpoint
let vendor: Vendor
/** The user who is signed in at the app, if any. */
let user: string | undefined
/** Answers that are held back until a test sends them. Each names the user at the time of its request. */
let held: (() => void)[]
let holding: boolean
let [open, mostOpen] = [0, 0]

beforeEach(async () => {
  user = 'ann'
  held = []
  holding = false
  open = mostOpen = 0
  app = await startEndpoint((_request, response) => {
    open += 1
    mostOpen = Math.max(mostOpen, open)
    response.on('close', () => (open -= 1))
    const name = user
    if (holding) held.push(() => answer(response, name))
    else setImmediate(() => answer(response, name))
  })
  vendor = await startVendor()
})

function answer(response: ServerResponse, name: string | undefined): void {
  if (name === undefined) response.writeHead(401).end()
  else response.end(JSON.stringify({ email: `${name}@example.com` }))
}

async function start(changes: Record<string, string> = {}): Promise<RunningBroker> {
  return startBroker({
    WIDGET_BASE_URL: vendor.url,
    SESSION_MODE: 'forward-auth',
    SESSION_JWT_SECRET: undefined,
    SESSION_FORWARD_URL: `${app.origin}/me`,
    SESSION_CACHE_SECONDS: '600',
    ...changes,
  })
}

/** Asks with one cookie. Returns the user for whom the vendor issued a token, or the code of the refusal. */
async function ask(broker: RunningBroker, headers: Record<string, string> = {}): Promise<string> {
  const all = { origin: 'https://app.example.com', cookie: 'sid=1', ...headers }
  const { body } = await send(`${broker.url}/widget-token`, { method: 'POST', headers: all })
  const { token, code } = JSON.parse(body) as { token?: string; code?: string }
  if (token === undefined) return code!
  const claims = Buffer.from(token.split('.')[1]!, 'base64url').toString()
  return (JSON.parse(claims) as { email: string }).email.split('@')[0]!
}

const noCache = { 'Cache-Control': 'no-cache' }

/** Waits until the app has been asked so many questions. */
const untilAsked = (count: number) => vi.waitFor(() => expect(app.received).toHaveLength(count))

describe('A slow acceptance', () => {
  it.each<[string, Record<string, string>]>([
    ['the same browser', {}],
    ['another browser', { 'User-Agent': 'another' }],
  ])('that was asked before the sign-out which %s was told of is not remembered', async (_name, other) => {
    const broker = await start()
    holding = true
    const early = ask(broker)
    await untilAsked(1)
    user = undefined
    const late = ask(broker, { ...noCache, ...other })
    await untilAsked(2)
    held[1]!()
    expect(await late).toBe('session_invalid')
    held[0]!()
    expect(await early).toBe('ann')
    holding = false
    expect(await ask(broker)).toBe('session_invalid')
  })

  it('that was asked before a sign-in as another user is not remembered', async () => {
    const broker = await start()
    holding = true
    const early = ask(broker)
    await untilAsked(1)
    user = 'bob'
    const late = ask(broker, noCache)
    await untilAsked(2)
    held[1]!()
    expect(await late).toBe('bob')
    held[0]!()
    expect(await early).toBe('ann')
    holding = false
    expect(await ask(broker)).toBe('bob')
    expect(app.received).toHaveLength(2)
  })
})

describe('A fresh look', () => {
  it('replaces what is remembered under other circumstances, too', async () => {
    const broker = await start()
    const browsers = [{ 'User-Agent': 'phone' }, { 'User-Agent': 'tablet' }]
    for (const browser of browsers) expect(await ask(broker, browser)).toBe('ann')
    user = 'bob'
    expect(await ask(broker, noCache)).toBe('bob')
    for (const browser of browsers) expect(await ask(broker, browser)).toBe('bob')
  })

  it('that meets an outage keeps what is remembered', async () => {
    const broker = await start()
    expect(await ask(broker)).toBe('ann')
    app.answer = (_request, response) => void response.writeHead(500).end()
    expect(await ask(broker, noCache)).toBe('session_source_unavailable')
    expect(await ask(broker)).toBe('ann')
  })

  it('asks one question at a time, however many callers there are', async () => {
    const broker = await start({ RATE_LIMIT_PER_MINUTE: '1000' })
    const users = await Promise.all(Array.from({ length: 200 }, () => ask(broker, noCache)))
    expect(new Set(users)).toEqual(new Set(['ann']))
    expect(mostOpen).toBe(1)
  })

  it('is answered by a question that began after it, even during another fresh look', async () => {
    const broker = await start()
    holding = true
    const first = ask(broker, noCache)
    await untilAsked(1)
    user = 'bob'
    const others = [ask(broker, noCache), ask(broker, noCache)]
    await vi.waitFor(() => expect(broker.server.listening && open).toBe(1))
    await send(`${broker.url}/healthz`)
    held[0]!()
    await untilAsked(2)
    held[1]!()
    expect([await first, await Promise.all(others)]).toEqual(['ann', ['bob', 'bob']])
    expect([app.received.length, mostOpen]).toEqual([2, 1])
  })

  it('continues for others when the caller that started it leaves', async () => {
    const broker = await start()
    holding = true
    const leaving = new AbortController()
    const headers = { origin: 'https://app.example.com', cookie: 'sid=1', ...noCache }
    const left = fetch(`${broker.url}/widget-token`, { method: 'POST', headers, signal: leaving.signal })
    await untilAsked(1)
    const stayed = ask(broker, noCache)
    await send(`${broker.url}/healthz`)
    leaving.abort()
    await expect(left).rejects.toThrow(/abort/i)
    await untilAsked(2)
    held[1]!()
    expect(await stayed).toBe('ann')
  })

  it('is refused without a question over the limit of its session, and other sessions are not affected', async () => {
    const broker = await start({ RATE_LIMIT_PER_MINUTE: '3' })
    user = undefined
    const codes: string[] = []
    for (let count = 0; count < 6; count += 1) codes.push(await ask(broker, noCache))
    const refused = ['session_invalid', 'session_invalid', 'session_invalid']
    expect(codes).toEqual([...refused, 'rate_limited', 'rate_limited', 'rate_limited'])
    expect(app.received).toHaveLength(3)
    user = 'bob'
    expect(await ask(broker, { ...noCache, Cookie: 'sid=2' })).toBe('bob')
    expect(await ask(broker)).toBe('bob')
  })
})

const channelLines = (broker: RunningBroker) =>
  broker.logLines().filter(({ event }) => event === 'redis_channel')

describe.skipIf(redisMissing)(`replicas with one Redis ${redisMissing ?? ''}`, () => {
  let redis: RedisServer

  beforeEach(async () => {
    redis = await createRedisServer()
    await redis.start()
  })

  /** Two replicas, each known to hear the other. */
  async function startTwo(): Promise<[RunningBroker, RunningBroker]> {
    const replicas = [await start({ REDIS_URL: redis.url }), await start({ REDIS_URL: redis.url })] as const
    await untilListening(2)
    return [...replicas]
  }

  const untilListening = (count: number, server = redis) =>
    vi.waitFor(async () => expect(await server.subscribers('token-broker:sessions')).toBe(count), {
      timeout: 15_000,
      interval: 50,
    })

  it('forget the former user of a cookie that one of them verified again', async () => {
    const [one, two] = await startTwo()
    expect([await ask(one), await ask(two)]).toEqual(['ann', 'ann'])
    user = 'bob'
    expect(await ask(one, noCache)).toBe('bob')
    await vi.waitFor(async () => expect(await ask(two)).toBe('bob'))
    expect(await ask(one)).toBe('bob')
    expect(app.received).toHaveLength(4)
  })

  it('forget a user whose sign-out one of them saw', async () => {
    const [one, two] = await startTwo()
    expect([await ask(one), await ask(two)]).toEqual(['ann', 'ann'])
    user = undefined
    expect(await ask(one, noCache)).toBe('session_invalid')
    await vi.waitFor(async () => expect(await ask(two)).toBe('session_invalid'))
  })

  it('remember other sessions, and what an outage did not answer', async () => {
    const [one, two] = await startTwo()
    await ask(two)
    await ask(two, { Cookie: 'sid=2' })
    await ask(one, { ...noCache, Cookie: 'sid=3' })
    app.answer = (_request, response) => void response.writeHead(500).end()
    expect(await ask(one, noCache)).toBe('session_source_unavailable')
    expect([await ask(two), await ask(two, { Cookie: 'sid=2' })]).toEqual(['ann', 'ann'])
  })

  it('forget all sessions after Redis was down, because they may have missed something', async () => {
    const [one, two] = await startTwo()
    expect(await ask(two)).toBe('ann')
    // A slow start may have lines of its own.
    const before = channelLines(two).length
    const said = () => channelLines(two).slice(before)
    await redis.kill()
    await vi.waitFor(() => expect(said()).toHaveLength(1))
    user = 'bob'
    expect(await ask(one, noCache)).toBe('bob')
    expect(await ask(two)).toBe('ann')
    await redis.start()
    await untilListening(2)
    await vi.waitFor(async () => expect(await ask(two)).toBe('bob'))
    const states = said().map(({ level, direction, state }) => [level, direction, state])
    expect(states).toEqual([
      ['warn', 'listen', 'left'],
      ['info', 'listen', 'joined'],
    ])
  })

  describe('whose REDIS_URL changes in its file', () => {
    let successor: RedisServer
    let folder: string

    beforeEach(async () => {
      successor = await createRedisServer()
      await successor.start()
      folder = mkdtempSync(join(tmpdir(), 'redis-url-'))
    })

    const fileOf = (name: string) => join(folder, name)

    async function startByFile(name: string): Promise<RunningBroker> {
      writeFileSync(fileOf(name), redis.url)
      return start({ REDIS_URL_FILE: fileOf(name) })
    }

    it('forget the former user of a cookie through the new Redis, without the old one', async () => {
      const [one, two] = [await startByFile('one'), await startByFile('two')]
      await untilListening(2)
      for (const name of ['one', 'two']) writeFileSync(fileOf(name), successor.url)
      await untilListening(2, successor)
      await redis.kill()
      expect([await ask(one), await ask(two)]).toEqual(['ann', 'ann'])
      user = 'bob'
      expect(await ask(one, noCache)).toBe('bob')
      await vi.waitFor(async () => expect(await ask(two)).toBe('bob'))
      expect([...channelLines(one), ...channelLines(two)]).toEqual([])
    })

    it('still hear a replica that uses the old one', async () => {
      const [one, two] = [await startByFile('one'), await startByFile('two')]
      await untilListening(2)
      writeFileSync(fileOf('one'), successor.url)
      await untilListening(1, successor)
      expect(await ask(one)).toBe('ann')
      user = 'bob'
      expect(await ask(two, noCache)).toBe('bob')
      await vi.waitFor(async () => expect(await ask(one)).toBe('bob'))
    })

    it('forget all sessions, because they may have missed something', async () => {
      const one = await startByFile('one')
      await untilListening(1)
      expect(await ask(one)).toBe('ann')
      user = 'bob'
      writeFileSync(fileOf('one'), successor.url)
      await vi.waitFor(async () => expect(await ask(one)).toBe('bob'), 5_000)
    })

    it('disconnect from the old one soon after', { timeout: 20_000 }, async () => {
      await startByFile('one')
      await untilListening(1)
      writeFileSync(fileOf('one'), successor.url)
      await untilListening(1, successor)
      await untilListening(0)
      expect(await successor.subscribers('token-broker:sessions')).toBe(1)
    })
  })

  it('answer while Redis hangs', async () => {
    const [one] = await startTwo()
    redis.freeze()
    expect(await ask(one, noCache)).toBe('ann')
    redis.thaw()
  })
})
