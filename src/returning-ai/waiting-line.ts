import { Problem } from '../problems.ts'

/** What bounds a call: its end on the monotonic clock, waiting, attempts and back-off included, and its caller. */
export interface CallBounds {
  endsAt: number
  signal: AbortSignal
}

export interface WaitingLine {
  /** Throws `overloaded` where there is neither a place nor room to wait for one. */
  check(): void
  /** Takes a place, or waits for one within the bounds. Fails with `overloaded`, or the signal's reason. */
  enter(bounds: CallBounds): Promise<void> | void
  /** Gives the place to the one who waits longest. */
  leave(): void
}

interface WaitingLineOptions {
  places: number
  maxWaiting: number
}

/**
 * Bounds the calls in progress and those that wait for one. undici's pool and cockatiel's bulkhead keep a caller in
 * their queue after it has gone; here it leaves at once.
 */
export function createWaitingLine({ places, maxWaiting }: WaitingLineOptions): WaitingLine {
  const waiting = new Set<() => void>()
  let taken = 0

  function wait({ endsAt, signal }: CallBounds): Promise<void> {
    return new Promise((resolve, reject) => {
      const proceed = () => settle(resolve)
      const quit = () => settle(() => reject(signal.reason))
      const expire = () => settle(() => reject(overloaded('waited_too_long')))
      const timer = setTimeout(expire, endsAt - performance.now())
      const settle = (end: () => void) => {
        clearTimeout(timer)
        signal.removeEventListener('abort', quit)
        waiting.delete(proceed)
        end()
      }
      signal.addEventListener('abort', quit)
      waiting.add(proceed)
    })
  }

  function check(): void {
    if (taken >= places && waiting.size >= maxWaiting) throw overloaded('waiting_line_full')
  }

  return {
    check,
    enter(bounds) {
      bounds.signal.throwIfAborted()
      check()
      if (taken >= places) return wait(bounds)
      taken += 1
      return undefined
    },
    leave() {
      const [first] = waiting
      if (first === undefined) taken -= 1
      else first()
    },
  }
}

function overloaded(outcome: string): Problem {
  return new Problem('overloaded', { diagnosis: { outcome } })
}
