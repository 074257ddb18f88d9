interface Flight<Result> {
  key: string
  waiting: number
  controller: AbortController
  result: Promise<Result>
}

/**
 * Shares one piece of work between all callers that ask for the same key while it runs. A caller that aborts
 * its signal leaves without disturbing the others. The work itself is aborted when no caller waits for it any
 * more.
 */
export function createSingleFlight<Result>() {
  // Not a Map: V8 keeps the table of a busy one until its next full collection. There are few: only those in
  // progress.
  const flights: Flight<Result>[] = []

  function start(key: string, work: (signal: AbortSignal) => Promise<Result>): Flight<Result> {
    const controller = new AbortController()
    const flight = { key, waiting: 0, controller, result: work(controller.signal) }
    flights.push(flight)
    return flight
  }

  function forget(flight: Flight<Result>): void {
    const index = flights.indexOf(flight)
    if (index !== -1) flights.splice(index, 1)
  }

  return function share(
    key: string,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<Result>,
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
        flight.controller.abort(signal.reason)
      }
      function land(): void {
        forget(flight)
        signal.removeEventListener('abort', leave)
      }
      signal.addEventListener('abort', leave, { once: true })
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
