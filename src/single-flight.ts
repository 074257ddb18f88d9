interface Flight<Result> {
  waiting: Waiter<Result>[]
  controller: AbortController
}

interface Waiter<Result> {
  signal: AbortSignal
  leave: () => void
  resolve: (result: Result) => void
  reject: (reason: unknown) => void
}

/**
 * Shares one piece of work between all who ask for the same key while it runs.
 * Who goes away (`signal`) leaves alone; the work itself is aborted only when nobody waits for it any more.
 */
export function createSingleFlight<Result>() {
  const flights = new Map<string, Flight<Result>>()

  function start(key: string, work: (signal: AbortSignal) => Promise<Result>): Flight<Result> {
    const controller = new AbortController()
    const flight: Flight<Result> = { waiting: [], controller }
    flights.set(key, flight)
    work(controller.signal).then(
      (result) => land(key, flight).forEach(({ resolve }) => resolve(result)),
      (reason: unknown) => land(key, flight).forEach(({ reject }) => reject(reason)),
    )
    return flight
  }

  /** Takes all who wait off the flight: V8 keeps what a busy Map once held until its next full collection. */
  function land(key: string, flight: Flight<Result>): Waiter<Result>[] {
    const landed = flight.waiting
    flight.waiting = []
    for (const { signal, leave } of landed) signal.removeEventListener('abort', leave)
    forget(key, flight)
    return landed
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
    return new Promise((resolve, reject) => {
      const waiter = { signal, leave, resolve, reject }
      function leave(): void {
        flight.waiting.splice(flight.waiting.indexOf(waiter), 1)
        reject(signal.reason)
        if (flight.waiting.length > 0) return
        forget(key, flight)
        flight.controller.abort(signal.reason)
      }
      flight.waiting.push(waiter)
      signal.addEventListener('abort', leave, { once: true })
    })
  }
}
