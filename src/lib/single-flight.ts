import { Abort, type AbortSignalLike } from './abort.ts'

interface Flight<Result> {
  key: string
  waiting: number
  signal: Abort
  result: Promise<Result>
}

/**
 * Shares one piece of work between all who ask for the same key while it runs.
 * Who goes away (`signal`) leaves alone; the work itself is aborted only when nobody waits for it any more.
 */
export function createSingleFlight<Result>() {
  // Not a Map: V8 keeps what a busy one once held until its next full collection. They are few: those in progress.
  const flights: Flight<Result>[] = []

  function start(key: string, work: (signal: AbortSignalLike) => Promise<Result>): Flight<Result> {
    const signal = new Abort()
    const flight = { key, waiting: 0, signal, result: work(signal) }
    flights.push(flight)
    return flight
  }

  function forget(flight: Flight<Result>): void {
    const index = flights.indexOf(flight)
    if (index !== -1) flights.splice(index, 1)
  }

  return function share(
    key: string,
    signal: AbortSignalLike,
    work: (signal: AbortSignalLike) => Promise<Result>,
  ): Promise<Result> {
    if (signal.aborted) return Promise.reject(signal.reason)
    const flight = flights.find((known) => known.key === key) ?? start(key, work)
    flight.waiting += 1
    return new Promise((resolve, reject) => {
      function leave(): void {
        reject(signal.reason)
        flight.waiting -= 1
        if (flight.waiting > 0) return
        forget(flight)
        flight.signal.abort(signal.reason)
      }
      function land(): void {
        forget(flight)
        signal.removeEventListener('abort', leave)
      }
      signal.addEventListener('abort', leave)
      flight.result.then(
        (result) => {
          land()
          resolve(result)
        },
        (reason: unknown) => {
          land()
          reject(reason)
        },
      )
    })
  }
}
