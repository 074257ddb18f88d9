interface Flight<Result> {
  result: Promise<Result>
  waiting: number
  controller: AbortController
}

/**
 * Shares one piece of work between all who ask for the same key while it runs.
 * Who goes away (`signal`) leaves alone; the work itself is aborted only when nobody waits for it any more.
 */
export function createSingleFlight<Result>() {
  const flights = new Map<string, Flight<Result>>()

  function start(key: string, work: (signal: AbortSignal) => Promise<Result>): Flight<Result> {
    const controller = new AbortController()
    const flight: Flight<Result> = { result: work(controller.signal), waiting: 0, controller }
    const land = () => forget(key, flight)
    flight.result.then(land, land)
    flights.set(key, flight)
    return flight
  }

  function forget(key: string, flight: Flight<Result>): void {
    if (flights.get(key) === flight) flights.delete(key)
  }

  return function share(
    key: string,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    if (signal.aborted) return Promise.reject(signal.reason)
    const flight = flights.get(key) ?? start(key, work)
    flight.waiting += 1
    return new Promise((resolve, reject) => {
      const leave = () => {
        flight.waiting -= 1
        if (flight.waiting === 0) {
          forget(key, flight)
          flight.controller.abort(signal.reason)
        }
        reject(signal.reason)
      }
      const settle = () => signal.removeEventListener('abort', leave)
      signal.addEventListener('abort', leave, { once: true })
      flight.result.then(resolve, reject).finally(settle)
    })
  }
}
