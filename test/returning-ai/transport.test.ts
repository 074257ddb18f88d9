import { setMaxListeners } from 'node:events'
import type { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { HttpClient } from '../../src/outbound/client.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { Problem } from '../../src/problems.ts'
import type { DoorMetrics } from '../../src/telemetry/metrics.ts'
import { createVendorTransport, type VendorTransport } from '../../src/returning-ai/transport.ts'
import { useClient } from '../peers/client.ts'
import { giveToken, startRawVendor, type RawVendor } from '../peers/raw.ts'
import { answer, rows } from './faults.ts'

let vendor: RawVendor
let client: HttpClient
let lines: string[]
let transport: VendorTransport

/** A caller, or a crowd of them, who will go away together. */
function createLeaving(): AbortController {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  return controller
}

beforeEach(async () => {
  vendor = await startRawVendor()
  lines = []
  transport = createTransport()
})

function createTransport(
  options: {
    maxConnections?: number
    maxQueue?: number
    halfOpenAfterMs?: number
    metrics?: DoorMetrics
  } = {},
) {
  client = useClient({ maxConnections: options.maxConnections ?? 128, connectTimeoutMs: 1000 })
  const logger = createLogger({ level: 'trace', destination: { write: (line) => lines.push(line) } })
  return createVendorTransport({ client, logger, maxConnections: 128, maxQueue: 1024, ...options })
}

let users = 0

/**
 * One call, of a user of its own unless the test names one; resolves to the problem's code, or `ok`, with what the caller would be
 * told and the log would say.
 */
async function call({
  user = `user-${(users += 1)}`,
  keyId = 'key-1',
  timeoutMs = 2000,
  signal = new AbortController().signal,
} = {}) {
  const request = { url: new URL('/signin', vendor.url), headers: {}, user, keyId }
  try {
    const { attempts } = await transport.send(request, { endsAt: performance.now() + timeoutMs, signal })
    return { code: 'ok', attempts } as { code: string; attempts?: number; retryAfter?: string }
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return { code: error.code, retryAfter: error.headers['retry-after'], ...error.diagnosis }
  }
}

const calls = (count: number, options = {}) => Promise.all(Array.from({ length: count }, () => call(options)))
const states = () => lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'vendor_circuit')
const seen = (count: number) => vi.waitFor(() => expect(vendor.requests).toHaveLength(count), { interval: 2 })
const closed = () => vi.waitFor(() => expect(vendor.openSockets()).toBe(0), { interval: 2 })

async function open(options = {}) {
  await client.close()
  transport = createTransport(options)
  vendor.act = answer(504)
  await calls(10)
  expect(states()).toMatchObject([{ level: 'error', state: 'open' }])
}

describe('The circuit', () => {
  it('opens after the failures of ten users, logs it once, and refuses at once without calling the vendor', async () => {
    await open()
    const before = vendor.requests.length
    const refused = await calls(100)
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['vendor_unavailable']))
    expect(refused[0]).toMatchObject({ outcome: 'circuit_open', retryAfter: '5', attempts: 0 })
    expect(vendor.requests).toHaveLength(before)
    expect(states()).toHaveLength(1)
  })

  it('stays closed while the calls of fewer than half of the users fail', async () => {
    vendor.act = (socket, nth) => (nth % 5 < 2 ? answer(504) : giveToken)(socket, nth)
    await calls(60)
    expect(states()).toEqual([])
  })

  it('stays closed for a handful of failures', async () => {
    vendor.act = answer(504)
    await calls(9)
    expect(states()).toEqual([])
  })

  it.each([400, 401, 403, 404, 429, 302])('ignores the refusal %i', async (status) => {
    vendor.act = answer(status)
    await calls(40)
    expect(states()).toEqual([])
  })

  it('ignores callers that disconnect', async () => {
    vendor.act = () => undefined
    const leaving = createLeaving()
    const gone = calls(40, { signal: leaving.signal })
    await seen(40)
    leaving.abort()
    await gone
    expect(states()).toEqual([])
  })

  it('is opened by calls that pass their deadline', async () => {
    vendor.act = () => undefined
    await calls(10, { timeoutMs: 100 })
    expect(states()).toMatchObject([{ state: 'open' }])
  })

  it('lets one call of a hundred probe the vendor, and closes when it succeeds', async () => {
    await open({ halfOpenAfterMs: 1 })
    const before = vendor.requests.length
    vendor.act = (socket, nth) => void setImmediate(() => giveToken(socket, nth))
    await vi.waitFor(async () => expect(await calls(100)).toContainEqual({ code: 'ok', attempts: 1 }))
    expect(vendor.requests).toHaveLength(before + 1)
    expect(states().map(({ state }) => state)).toEqual(['open', 'half_open', 'closed'])
    expect(await call()).toEqual({ code: 'ok', attempts: 1 })
  })

  it('reports each change to its metrics, and only the calls that were made', async () => {
    await client.close()
    const told: unknown[] = []
    const metrics = {
      vendorAnswered: (outcome: string) => void told.push(outcome),
      circuitOpened: (open: boolean) => void told.push(open),
    }
    transport = createTransport({ halfOpenAfterMs: 500, metrics })
    vendor.act = answer(504)
    await calls(20)
    await calls(20)
    vendor.act = giveToken
    await vi.waitFor(async () => expect((await call()).code).toBe('ok'))
    const failed = Array<unknown>(20).fill('vendor_5xx')
    expect(told.filter((one) => one !== true && one !== false)).toEqual([...failed, 'ok'])
    expect(told.filter((one) => one === true || one === false)).toEqual([true, false])
  })

  it('leaves the cause of an outage in the log, not its own refusal of a second attempt', async () => {
    vendor.act = (socket) => void socket.resetAndDestroy()
    const outcomes = (await calls(20)).map((one) => (one as { outcome?: string }).outcome)
    expect(new Set(outcomes)).toEqual(new Set(['reset']))
    expect(states()).toMatchObject([{ state: 'open' }])
  })

  it('opens again when the one call fails', async () => {
    await open({ halfOpenAfterMs: 1 })
    await vi.waitFor(async () => expect(await call()).toMatchObject({ outcome: 'vendor_5xx' }))
    expect(states().map(({ state }) => state)).toEqual(['open', 'half_open', 'open'])
  })

  it('is closed by the probe even if its caller disconnects, so that such a client cannot block the others', async () => {
    await open({ halfOpenAfterMs: 1 })
    const asking: Socket[] = []
    vendor.act = (socket) => void asking.push(socket)
    const before = vendor.requests.length
    const leaving = createLeaving()
    await vi.waitFor(() => {
      void call({ signal: leaving.signal })
      expect(states().at(-1)).toMatchObject({ state: 'half_open' })
    })
    await seen(before + 1)
    leaving.abort()
    giveToken(asking[0]!, 1)
    await vi.waitFor(() => expect(states().at(-1)).toMatchObject({ state: 'closed' }), { interval: 2 })
    expect(vendor.requests).toHaveLength(before + 1)
  })
})

describe('The waiting line', () => {
  beforeEach(async () => {
    await client.close()
    transport = createTransport({ maxConnections: 2, maxQueue: 3 })
    vendor.act = () => undefined
  })

  it('limits the calls in progress, lets the next ones wait, and refuses the rest at once as overloaded', async () => {
    const leaving = createLeaving()
    const within = calls(5, { signal: leaving.signal })
    expect(await call()).toMatchObject({ code: 'overloaded', outcome: 'waiting_line_full', retryAfter: '2' })
    await seen(2)
    expect(vendor.openSockets()).toBe(2)
    leaving.abort()
    await within
  })

  it('reports overloaded, not a slow vendor, to a caller that waits past its deadline', async () => {
    const leaving = createLeaving()
    const ahead = calls(2, { signal: leaving.signal })
    expect(await call({ timeoutMs: 50 })).toMatchObject({
      code: 'overloaded',
      outcome: 'waited_too_long',
      attempts: 0,
    })
    leaving.abort()
    await ahead
  })

  it('gives the place of a caller that leaves to the one that has waited longest', async () => {
    const leaving = createLeaving()
    const ahead = calls(2, { signal: leaving.signal })
    await seen(2)
    const served: string[] = []
    const next = ['longest', 'less long'].map((name) => call().then(() => served.push(name)))
    vendor.act = giveToken
    leaving.abort()
    await Promise.all(next)
    expect(served).toEqual(['longest', 'less long'])
    await ahead
  })

  it('keeps its limit, however many callers it refused', async () => {
    await client.close()
    transport = createTransport({ maxConnections: 2, maxQueue: 0 })
    const leaving = createLeaving()
    const within = calls(2, { signal: leaving.signal })
    for (let round = 0; round < 3; round += 1)
      expect((await calls(2)).map(({ code }) => code)).toEqual(['overloaded', 'overloaded'])
    await seen(2)
    leaving.abort()
    await within
  })

  it('gives one user at most two places, and serves the others first', async () => {
    await client.close()
    transport = createTransport({ maxConnections: 4, maxQueue: 20 })
    const held: Socket[] = []
    vendor.act = (socket) => void held.push(socket)
    const hers = calls(4, { user: 'ada' })
    await seen(2)
    vendor.act = giveToken
    expect((await calls(20)).map(({ code }) => code)).toEqual(Array(20).fill('ok'))
    expect(vendor.requests).toHaveLength(22)
    for (const socket of held) giveToken(socket, 1)
    expect((await hers).map(({ code }) => code)).toEqual(Array(4).fill('ok'))
  })

  it('has room again as soon as a waiting caller leaves', async () => {
    const [ahead, waiting] = [createLeaving(), createLeaving()]
    const first = calls(2, { signal: ahead.signal })
    const second = calls(3, { signal: waiting.signal })
    await nextTurn()
    waiting.abort()
    expect((await second).map(({ code }) => code)).toEqual(Array(3).fill('vendor_unavailable'))
    const third = calls(3)
    await seen(2)
    vendor.act = giveToken
    ahead.abort()
    expect((await third).map(({ code }) => code)).toEqual(['ok', 'ok', 'ok'])
    await first
  })
})

describe('A caller who leaves', () => {
  it('while the vendor works has its connection closed at once', async () => {
    vendor.act = () => undefined
    const leaving = createLeaving()
    const left = call({ signal: leaving.signal, timeoutMs: 300_000 })
    await seen(1)
    leaving.abort()
    expect(await left).toMatchObject({ outcome: 'aborted' })
    await closed()
  })

  it('while the call backs off makes no second attempt', async () => {
    const leaving = createLeaving()
    vendor.act = (socket) => {
      answer(500)(socket, 1)
      setTimeout(() => leaving.abort(), 20)
    }
    expect(await call({ signal: leaving.signal })).toMatchObject({ outcome: 'aborted', attempts: 1 })
    expect(vendor.requests).toHaveLength(1)
  })

  it('before its call begins costs the vendor nothing', async () => {
    expect(await call({ signal: AbortSignal.abort() })).toMatchObject({ outcome: 'aborted', attempts: 0 })
    expect(vendor.connections).toBe(0)
  })
})

describe('The retry', () => {
  it('rescues a call that failed once, after a random wait of 50 to 250 ms', async () => {
    const waits: number[] = []
    for (let round = 0; round < 6; round += 1) {
      let failedAt = 0
      vendor.act = (socket, nth) => {
        if (failedAt > 0) waits.push(performance.now() - failedAt)
        ;(failedAt > 0 ? giveToken : answer(500))(socket, nth)
        failedAt = performance.now()
      }
      expect(await call()).toEqual({ code: 'ok', attempts: 2 })
    }
    expect(Math.min(...waits)).toBeGreaterThan(45)
    expect(Math.max(...waits) - Math.min(...waits)).toBeGreaterThan(1)
  })

  it('does not happen if the deadline leaves no time for it', async () => {
    vendor.act = answer(500)
    expect(await call({ timeoutMs: 140 })).toMatchObject({ code: 'vendor_unavailable', attempts: 1 })
  })

  it('stays within the budget of all callers when everything fails', async () => {
    vendor.act = (socket) => void socket.resetAndDestroy()
    await calls(200)
    expect(vendor.requests.length).toBeLessThanOrEqual(240)
  })
})

const pause = (seconds: string, status = 429) => answer(status, '', { 'retry-after': seconds })

describe('The pause that the vendor asks for', () => {
  it.each([
    ['429', 429, 'vendor_rate_limited'],
    ['503', 503, 'vendor_unavailable'],
  ])(
    'by %s holds for the user who met it, with the seconds left, and for nobody else',
    async (_name, status, code) => {
      vendor.act = pause('5', status)
      expect(await call({ user: 'ada' })).toMatchObject({ code, retryAfter: '5', attempts: 1 })
      vendor.act = giveToken
      const paused = await calls(10, { user: 'ada' })
      expect(paused[0]).toMatchObject({ code, retryAfter: '5', outcome: 'vendor_pause', attempts: 0 })
      expect(vendor.requests).toHaveLength(1)
      expect(await call()).toEqual({ code: 'ok', attempts: 1 })
      expect(await call({ user: 'ada', keyId: 'key-2' })).toEqual({ code: 'ok', attempts: 1 })
    },
  )

  it('applies to all users of the key once a second user gets one within it', async () => {
    vendor.act = pause('60')
    await call({ user: 'ada' })
    vendor.act = pause('5')
    await call({ user: 'bob' })
    vendor.act = giveToken
    const paused = await calls(10)
    expect(paused[0]).toMatchObject({ code: 'vendor_rate_limited', retryAfter: '5', outcome: 'vendor_pause' })
    expect(vendor.requests).toHaveLength(2)
    expect(await call({ keyId: 'key-2' })).toEqual({ code: 'ok', attempts: 1 })
  })

  it('applies to one user only, however often that user gets it', async () => {
    vendor.act = pause('1')
    await call({ user: 'ada' })
    await untilPauseEnds({ user: 'ada' }, 'vendor_rate_limited')
    vendor.act = giveToken
    expect((await call()).code).toBe('ok')
  })

  it('is the longest that was asked for, in whatever order', async () => {
    const sockets: Socket[] = []
    vendor.act = (socket) => void sockets.push(socket)
    const both = calls(2, { user: 'ada' })
    await seen(2)
    for (const [nth, seconds] of ['60', '1'].entries()) {
      pause(seconds)(sockets[nth]!, 1)
      await nextTurn()
    }
    await both
    expect((await call({ user: 'ada' })).retryAfter).toBe('60')
  })

  it('ends with its seconds', async () => {
    vendor.act = pause('1')
    await call({ user: 'ada' })
    vendor.act = giveToken
    const startedAt = performance.now()
    await untilPauseEnds({ user: 'ada' }, 'ok')
    expect(performance.now() - startedAt).toBeGreaterThan(800)
  })

  it.each([
    ['a date', () => new Date(Date.now() + 30_500).toUTCString(), /^(29|30|31)$/],
    ['a date in another century', () => 'Fri, 31 Dec 2094 23:59:59 GMT', /^300$/],
    ['a date that has passed', () => 'Fri, 31 Dec 1999 23:59:59 GMT', /^1$/],
    ['thirty years', () => '1000000000', /^300$/],
    ['none', () => '0', /^1$/],
  ])('may be %s, and is kept within 1 to 300 seconds', async (_name, value, expected) => {
    vendor.act = answer(429, '', { 'retry-after': value() })
    expect((await call()).retryAfter).toMatch(expected)
  })
})

describe('A thousand failures of every kind', () => {
  it('leave no socket, timer or place behind, and the next call succeeds', { timeout: 60_000 }, async () => {
    await client.close()
    transport = createTransport({ maxConnections: 8, halfOpenAfterMs: 0 })
    await call()
    const acts = rows
      .filter(({ env, retryAfter }) => env === undefined && retryAfter === undefined)
      .map(({ act }) => act)
    acts.push(() => undefined)
    const baseline = countResources()
    vendor.act = (socket, nth) => acts[nth % acts.length]!(socket, nth)
    for (let round = 0; round < 25; round += 1) {
      const leaving = createLeaving()
      const some = Array.from({ length: 40 }, (_, nth) =>
        call({ timeoutMs: 150, signal: nth % 10 === 0 ? leaving.signal : undefined }),
      )
      leaving.abort()
      await Promise.all(some)
    }
    expect(vendor.requests.length).toBeGreaterThan(150)
    expect(vendor.mostOpen).toBeLessThanOrEqual(2 * 8)
    vendor.act = giveToken
    await vi.waitFor(async () => expect((await call()).code).toBe('ok'))
    await client.close()
    await closed()
    for (const [name, count] of Object.entries(countResources()))
      expect(count).toBeLessThanOrEqual(baseline[name] ?? 0)
  })
})

/** Asks until the vendor is asked again, and that is its answer. */
async function untilPauseEnds(options: Parameters<typeof call>[0], code: string): Promise<void> {
  const ask = async () => expect(await call(options)).toMatchObject({ code, attempts: 1 })
  await vi.waitFor(ask, { timeout: 2000, interval: 20 })
}

/** What the event loop holds on to, by kind; the listening stand-in is there before and after. */
function countResources(): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of process.getActiveResourcesInfo()) counts[name] = (counts[name] ?? 0) + 1
  return counts
}
