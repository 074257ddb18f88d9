import { Problem } from '../problems.ts'

/** What a provider publishes, and the number of the fetch that returned it. */
export interface Held<Value> {
  value: Value
  number: number
}

export interface Refreshed<Value> {
  /**
   * Fresh, or still usable while the provider fails. Throws `session_source_unavailable` if there is none.
   */
  current(): Promise<Held<Value>>
  /**
   * Fetches now. Joins a fetch in progress, and throws while the last failure is recent. `admit` throws
   * where a new fetch may not begin.
   */
  renew(admit?: () => void): Promise<Held<Value>>
  /** How many fetches have begun. */
  begun(): number
}

const refreshAfterMs = 10 * 60_000
const usableForMs = 60 * 60_000
/** How long no request is sent to a failing provider. The `Retry-After` of the 503 says the same. */
const failureCooldownMs = 5_000
/** The same, while the last value is still usable. */
const staleRetryMs = 30_000

/**
 * Holds what a provider publishes and seldom changes: fetched when first needed and every ten minutes from
 * then on. While the provider fails, the last value serves for up to an hour. `now` is in milliseconds on a
 * monotonic clock.
 */
export function createRefreshed<Value>(
  fetchValue: () => Promise<Value>,
  now: () => number,
): Refreshed<Value> {
  let held: (Held<Value> & { freshUntil: number; usableUntil: number }) | undefined
  let fetching: Promise<Held<Value>> | undefined
  let failure: { problem: Problem; until: number } | undefined
  let fetches = 0

  async function current(): Promise<Held<Value>> {
    if (held !== undefined && now() < held.freshUntil) return held
    try {
      return await renew()
    } catch (error) {
      if (held === undefined || now() >= held.usableUntil) throw error
      held.freshUntil = Math.min(now() + staleRetryMs, held.usableUntil)
      return held
    }
  }

  async function renew(admit?: () => void): Promise<Held<Value>> {
    if (fetching !== undefined) return fetching
    if (failure !== undefined && now() < failure.until) throw failure.problem
    admit?.()
    fetching = fetchAndHold().finally(() => {
      fetching = undefined
    })
    return fetching
  }

  async function fetchAndHold(): Promise<Held<Value>> {
    const number = (fetches += 1)
    try {
      const value = await fetchValue()
      failure = undefined
      held = { value, number, freshUntil: now() + refreshAfterMs, usableUntil: now() + usableForMs }
      return held
    } catch (error) {
      if (error instanceof Problem) failure = { problem: error, until: now() + failureCooldownMs }
      throw error
    }
  }

  return { current, renew, begun: () => fetches }
}
