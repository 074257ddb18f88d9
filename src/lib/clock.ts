/** How far the clock of a session source may differ from ours. */
export const clockToleranceSeconds = 30

/** A NumericDate (RFC 7519 §2: seconds since the epoch) as whole milliseconds on the monotonic clock. */
export function toMonotonic(seconds: number): number {
  return Math.floor(performance.now() + seconds * 1000 - Date.now())
}
