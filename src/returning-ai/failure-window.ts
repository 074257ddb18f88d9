import { CircuitState, type IBreaker } from 'cockatiel'

const windowMs = 5_000
/** Two calls a second: below that a breaker spares the vendor nothing, and a handful of failures proves nothing. */
const minCalls = 20
const maxFailureShare = 0.5

interface Count {
  startedAt: number
  calls: number
  failures: number
}

/**
 * Opens when half of at least twenty calls failed within the last five to ten seconds. cockatiel's own sampling breaker forgets
 * old failures only as new calls come, so that yesterday's count today.
 */
export function createFailureWindow(now: () => number = () => performance.now()): IBreaker {
  let current = startCount(now())
  let previous = startCount(-Infinity)

  function count(failures: 0 | 1): void {
    const time = now()
    if (time - current.startedAt >= windowMs) {
      previous = current
      current = startCount(time)
    }
    current.calls += 1
    current.failures += failures
  }

  return {
    state: undefined,
    success(state) {
      if (state === CircuitState.HalfOpen) current = previous = startCount(-Infinity)
      count(0)
    },
    failure() {
      count(1)
      const recent = current.startedAt - previous.startedAt < 2 * windowMs ? previous : startCount(0)
      const calls = current.calls + recent.calls
      return calls >= minCalls && current.failures + recent.failures >= calls * maxFailureShare
    },
  }
}

function startCount(startedAt: number): Count {
  return { startedAt, calls: 0, failures: 0 }
}
