import { createSingleFlight } from './single-flight.ts'

interface Run {
  number: number
  ended: Promise<void>
}

type Work<Result> = (signal: AbortSignal) => Promise<Result>

/**
 * Runs the work of one key one at a time. Callers that arrive while it runs share the next run, which starts
 * when this one has ended. So their result was started after they asked.
 */
export function createTurns<Result>() {
  const share = createSingleFlight<Result>()
  const runs = new Map<string, Run>()
  let count = 0

  function run(key: string, signal: AbortSignal, work: Work<Result>): Promise<Result> {
    const result = work(signal)
    const current: Run = { number: (count += 1), ended: result.then(end, end) }
    runs.set(key, current)
    return result

    function end(): void {
      if (runs.get(key) === current) runs.delete(key)
    }
  }

  return function take(key: string, signal: AbortSignal, work: Work<Result>): Promise<Result> {
    const current = runs.get(key)
    if (current === undefined) return run(key, signal, work)
    return share(`${current.number}`, signal, async (shared) => {
      await current.ended
      shared.throwIfAborted()
      return run(key, shared, work)
    })
  }
}
