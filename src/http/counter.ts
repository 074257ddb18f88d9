import { createCache } from '../lib/cache.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Redis } from '../outbound/redis.ts'
import { onChange, type Notice, type RedisFault } from '../outbound/redis-fault.ts'

/** How often a key was counted in its window, including this time, and how long the window still lasts. */
export interface Count {
  count: number
  leftMs: number
}

/** Counts by key in fixed windows; the window of a key begins with its first count. */
export type Counter = (key: string) => Count | Promise<Count>

interface LocalOptions {
  windowMs: number
  /** At least this many keys are remembered: those that were counted last. */
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
  /** Counts while Redis is unreachable. */
  fallback: Counter
  notice: Notice
}

// Redis runs a script as one step, so no count is left without an expiry if a process dies in between.
const countInRedis = `
  local count = redis.call('INCR', KEYS[1])
  local left = redis.call('PTTL', KEYS[1])
  if left < 0 then
    left = tonumber(ARGV[1])
    redis.call('PEXPIRE', KEYS[1], left)
  end
  return {count, left}
`

/**
 * Counts for all replicas that use the same Redis. While Redis does not answer, this process counts on its
 * own.
 */
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

/** Logs once that the shared counts are unreachable, and once that they are back. */
export function createStoreNotice(logger: Logger): Notice {
  return onChange((fault) => {
    if (fault === undefined) logger.info({ event: 'rate_limit_store', counting: 'shared' })
    else logger.warn({ event: 'rate_limit_store', counting: 'local', outcome: fault.outcome })
  })
}
