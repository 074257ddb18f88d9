import type { OutcomeOf } from '../outcomes.ts'
import { Problem } from '../problems.ts'

/**
 * What bounds a call: its end on the monotonic clock, including waiting, attempts and back-off, and its
 * caller.
 */
export interface CallBounds {
  endsAt: number
  signal: AbortSignal
}

export interface WaitingLine {
  /** Throws `overloaded` if there is neither a place for this user nor room to wait for one. */
  check(user: string): void
  /** Takes a place, or waits for one within the bounds. Fails with `overloaded`, or the signal's reason. */
  enter(user: string, bounds: CallBounds): Promise<void> | void
  /** Gives the user's place to the caller that has waited longest and may have it. */
  leave(user: string): void
}

interface WaitingLineOptions {
  places: number
  maxWaiting: number
}

interface Waiting {
  user: string
  proceed: () => void
}

/** A user for whom the vendor is slow must not take the places of others. */
const maxPlacesOfUser = 2

/**
 * Bounds the calls in progress, those of one user, and those that wait for a place. undici's pool keeps a
 * caller in its queue after it has gone; here it leaves at once.
 */
export function createWaitingLine({ places, maxWaiting }: WaitingLineOptions): WaitingLine {
  const waiting = new Set<Waiting>()
  const placesOf = new Map<string, number>()
  let taken = 0

  function hasPlace(user: string): boolean {
    return taken < places && (placesOf.get(user) ?? 0) < maxPlacesOfUser
  }

  function take(user: string): void {
    taken += 1
    placesOf.set(user, (placesOf.get(user) ?? 0) + 1)
  }

  function giveBack(user: string): void {
    taken -= 1
    const left = placesOf.get(user)! - 1
    if (left === 0) placesOf.delete(user)
    else placesOf.set(user, left)
  }

  function check(user: string): void {
    if (waiting.size >= maxWaiting && !hasPlace(user)) throw overloaded('waiting_line_full')
  }

  function wait(user: string, { endsAt, signal }: CallBounds): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (end: () => void) => {
        clearTimeout(timer)
        signal.removeEventListener('abort', quit)
        waiting.delete(one)
        end()
      }
      const one = { user, proceed: () => settle(resolve) }
      const quit = () => settle(() => reject(signal.reason))
      const expire = () => settle(() => reject(overloaded('waited_too_long')))
      const timer = setTimeout(expire, endsAt - performance.now())
      signal.addEventListener('abort', quit)
      waiting.add(one)
    })
  }

  return {
    check,
    enter(user, bounds) {
      bounds.signal.throwIfAborted()
      check(user)
      if (!hasPlace(user)) return wait(user, bounds)
      take(user)
      return undefined
    },
    leave(user) {
      giveBack(user)
      for (const next of waiting) {
        if (!hasPlace(next.user)) continue
        take(next.user)
        next.proceed()
        return
      }
    },
  }
}

function overloaded(outcome: OutcomeOf<'overloaded'>): Problem {
  return new Problem('overloaded', { diagnosis: { outcome } })
}
