import { VendorProblem } from './refusals.ts'
import type { CallBounds } from './waiting-line.ts'

const minBackOffMs = 50
const maxBackOffMs = 250
/** How much of the deadline must be left after the back-off for a second attempt. */
const minAttemptMs = 100

/**
 * Retries a call once: after a random back-off of 50 to 250 ms, so that callers that failed together do not
 * return together, and only if the deadline and the budget allow it. Otherwise rejects with the first
 * failure, also if the second attempt does not reach the vendor.
 */
export function createRetry(budget: RetryBudget = createRetryBudget()) {
  return async function retry<Result>(
    attempt: () => Promise<Result>,
    { endsAt, signal }: CallBounds,
  ): Promise<Result> {
    budget.earn()
    try {
      return await attempt()
    } catch (failure) {
      const backOffMs = minBackOffMs + Math.random() * (maxBackOffMs - minBackOffMs)
      const inTime = performance.now() + backOffMs + minAttemptMs < endsAt
      if (!isPassing(failure) || signal.aborted || !inTime || !budget.spend()) throw failure
      await wait(backOffMs, signal)
      try {
        return await attempt()
      } catch (again) {
        throw again instanceof VendorProblem ? again : failure
      }
    }
  }
}

/** Resolves after a time, or rejects with the signal's reason as soon as that is aborted. */
function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', leave)
      resolve()
    }, ms)
    signal.addEventListener('abort', leave)
  })
}

function isPassing(failure: unknown): boolean {
  return failure instanceof VendorProblem && failure.passing
}

export interface RetryBudget {
  earn(): void
  spend(): boolean
}

const retriesPerCall = 0.2
const retriesPerSecond = 1
const maxSaved = 10

/**
 * The retries that all callers together may make: a fifth of their calls, and one a second for a quiet
 * service. Without it, retries double the load of a vendor that is already failing (Google SRE, "Handling
 * Overload"; Finagle's RetryBudget).
 */
export function createRetryBudget(now: () => number = () => performance.now()): RetryBudget {
  let saved = maxSaved
  let countedAt = now()
  return {
    earn() {
      const seconds = (now() - countedAt) / 1000
      countedAt = now()
      saved = Math.min(maxSaved, saved + retriesPerCall + seconds * retriesPerSecond)
    },
    spend() {
      if (saved < 1) return false
      saved -= 1
      return true
    },
  }
}
