import { Problem } from '../problems.ts'

/** The caller: the client's network, and the 429 for one that is over its limit of refusals. */
export interface Asker {
  network: string
  excess?: Problem
  signal: AbortSignal
}

interface Lane {
  open: number
  /** Waiting callers, each with the share of its network at that time. */
  waiting: Map<() => void, number>
}

/** How many questions all networks together may have open. A hanging source must not fill the memory. */
const maxOpen = 1_024
/** How many of them one network may have open. No single one may take them all. */
const usualShare = 512
/** The same for a network that is over its limit of refusals, such as one that sends random cookies. */
const smallShare = 16
const maxWaitingPerNetwork = 128
const maxWaiting = 1_024

/** Bounds the questions to session sources, and shares them between client networks. */
export function createQuestionLine(timeoutMs: number) {
  const lanes = new Map<string, Lane>()
  let open = 0
  let waiting = 0

  /**
   * Returns or resolves when the question may be asked. Fails with 503 `overloaded`, 429, or the signal's
   * reason.
   */
  function enter({ network, excess, signal }: Asker): Promise<void> | void {
    const lane = lanes.get(network) ?? { open: 0, waiting: new Map() }
    const share = excess === undefined ? usualShare : smallShare
    if (lane.open >= share) {
      if (lane.waiting.size >= maxWaitingPerNetwork || waiting >= maxWaiting) throw excess ?? overloaded()
      return wait(lane, share, signal)
    }
    if (open >= maxOpen) throw overloaded()
    lanes.set(network, lane)
    open += 1
    lane.open += 1
  }

  function wait(lane: Lane, share: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const proceed = () => settle(resolve)
      const quit = () => settle(() => reject(signal.reason))
      const timer = setTimeout(() => settle(() => reject(overloaded())), timeoutMs)
      const settle = (end: () => void) => {
        clearTimeout(timer)
        signal.removeEventListener('abort', quit)
        lane.waiting.delete(proceed)
        waiting -= 1
        end()
      }
      signal.addEventListener('abort', quit)
      lane.waiting.set(proceed, share)
      waiting += 1
    })
  }

  /** Gives the place of an answered question to the caller of the network that has waited longest. */
  function leave(network: string): void {
    const lane = lanes.get(network)!
    const [first] = lane.waiting
    if (first !== undefined && lane.open <= first[1]) {
      first[0]()
      return
    }
    open -= 1
    lane.open -= 1
    if (lane.open === 0) lanes.delete(network)
  }

  return { enter, leave }
}

function overloaded(): Problem {
  return new Problem('overloaded', { diagnosis: { outcome: 'too_many_questions' } })
}
