import { Abort, type AbortSignalLike } from './abort.ts'

interface Flight<Result> {
  key: string
  waiting: Waiter<Result>[]
  signal: Abort
}

interface Waiter<Result> {
  signal: AbortSignalLike
  leave: () => void
  resolve: (result: Result) => void
  reject: (reason: unknown) => void
}

/**
 * Shares one piece of work between all who ask for the same key while it runs.
 * Who goes away (`signal`) leaves alone; the work itself is aborted only when nobody waits for it any more.
 */
export function createSingleFlight<Result>() {
  // Not a Map: V8 keeps what a busy one once held until its next full collection. They are few: those in progress.
  const flights: Flight<Result>[] = []

  function start(key: string, work: (signal: AbortSignalLike) => Promise<Result>): Flight<Result> {
    const flight: Flight<Result> = { key, waiting: [], signal: new Abort() }
    flights.push(flight)
    work(flight.signal).then(
      (result) => land(flight).forEach(({ resolve }) => resolve(result)),
      (reason: unknown) => land(flight).forEach(({ reject }) => reject(reason)),
    )
    return flight
  }

  /** Whom the work's end is to be told: nobody where all have left, and the flight is forgotten already. */
  function land(flight: Flight<Result>): readonly Waiter<Result>[] {
    for (const { signal, leave } of flight.waiting) signal.removeEventListener('abort', leave)
    if (flight.waiting.length > 0) forget(flight)
    return flight.waiting
  }

  function forget(flight: Flight<Result>): void {
    flights.splice(flights.indexOf(flight), 1)
  }

  return function share(
    key: string,
    signal: AbortSignalLike,
    work: (signal: AbortSignalLike) => Promise<Result>,
  ): Promise<Result> {
    if (signal.aborted) return Promise.reject(signal.reason)
    const flight = flights.find((known) => known.key === key) ?? start(key, work)
    return new Promise((resolve, reject) => {
      const waiter = { signal, leave, resolve, reject }
      function leave(): void {
        flight.waiting.splice(flight.waiting.indexOf(waiter), 1)
        reject(signal.reason)
        if (flight.waiting.length > 0) return
        forget(flight)
        flight.signal.abort(signal.reason)
      }
      flight.waiting.push(waiter)
      signal.addEventListener('abort', leave)
    })
  }
}
