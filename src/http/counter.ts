import { createCache } from '../lib/cache.ts'
import type { Logger } from '../telemetry/logger.ts'
import { RedisFault, type Redis } from '../outbound/redis.ts'

/** How often a key was counted in its window, this time included, and how long the window still lasts. */
export interface Count {
  count: number
  leftMs: number
}

/** Counts by key in fixed windows; the window of a key begins with its first count. */
export type Counter = (key: string) => Count | Promise<Count>

interface LocalOptions {
  windowMs: number
  /** So many at least are remembered, of those that were counted last. */
  maxKeys: number
}

/** Counts in this process, on the monotonic clock and in bounded memory. */
export function createLocalCounter({ windowMs, maxKeys }: LocalOptions): Counter {
  const windows = createCache<{ count: number; endsAt: number }>(maxKeys)
  return function countHere(key) {
    const now = performance.now()
    const known = windows.get(key)
    const window =
      known !== undefined && known.endsAt > now ? known : { count: 0, endsAt: Math.floor(now) + windowMs }
    if (window !== known) windows.set(key, window)
    window.count += 1
    return { count: window.count, leftMs: window.endsAt - now }
  }
}

interface SharedOptions {
  redis: Redis
  windowMs: number
  prefix: string
  /** Counts while Redis is out of reach. */
  fallback: Counter
  notice: (fault?: RedisFault) => void
}

// One script is one step in Redis: no count without an end, whoever dies in between.
const countInRedis = `
  local count = redis.call('INCR', KEYS[1])
  local left = redis.call('PTTL', KEYS[1])
  if left < 0 then
    left = tonumber(ARGV[1])
    redis.call('PEXPIRE', KEYS[1], left)
  end
  return {count, left}
`

/** Counts for all replicas that use the same Redis; where that gives no answer, this process counts for itself. */
export function createSharedCounter(options: SharedOptions): Counter {
  const { redis, windowMs, prefix, fallback, notice } = options
  return async function countThere(key) {
    const script = { keys: [prefix + key], arguments: [String(windowMs)] }
    try {
      const reply = await redis.run((client) => client.eval(countInRedis, script))
      notice()
      const [count, leftMs] = reply as [number, number]
      return { count, leftMs }
    } catch (error) {
      notice(error as RedisFault)
      return fallback(key)
    }
  }
}

/** Makes what says once that the shared counts are out of reach, and once that they are back. */
export function createStoreNotice(logger: Logger): (fault?: RedisFault) => void {
  let shared = true
  return function noticeChange(fault) {
    if (shared === (fault === undefined)) return
    shared = !shared
    if (fault === undefined) logger.info({ event: 'rate_limit_store', counting: 'shared' })
    else logger.warn({ event: 'rate_limit_store', counting: 'local', outcome: fault.outcome })
  }
}
