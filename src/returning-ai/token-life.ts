import { toMonotonic } from '../lib/clock.ts'

/**
 * When a vendor's token ends, in whole milliseconds on the monotonic clock; undefined if it does not say.
 * `exp` is compared with the vendor's own clock, by the `Date` of its answer and the token's `iat`. Ours may
 * be wrong, so it is used only without them.
 */
export function expiryOf({ exp, iat }: { exp?: unknown; iat?: unknown }, date: unknown): number | undefined {
  if (typeof exp !== 'number') return undefined
  const sinceDate = exp - secondsOf(date)
  const sinceIssued = typeof iat === 'number' && iat <= exp ? exp - iat : Number.NaN
  const lives = [sinceDate, sinceIssued].filter((life) => !Number.isNaN(life))
  const lifeMs = Math.min(...lives) * 1000
  const expiresAt = lives.length === 0 ? toMonotonic(exp) : Math.floor(performance.now() + lifeMs)
  return Number.isFinite(expiresAt) ? expiresAt : undefined
}

/** An HTTP date (RFC 9110 §5.6.7) as seconds since the epoch; not a number if there is none. */
function secondsOf(date: unknown): number {
  return typeof date === 'string' ? Date.parse(date) / 1000 : Number.NaN
}
