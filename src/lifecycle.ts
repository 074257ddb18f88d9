import type { Response } from 'express'
import { Problem, sendProblem } from './problems.ts'

/** Where the process stands between its start and its end; the probes and every answer follow it. */
export interface Lifecycle {
  state: 'starting' | 'ready' | 'draining'
  /** Remembers an answer in progress. */
  track(response: Response): void
  /** Ends every answer that has not begun with 503 `shutting_down`. */
  refuseOpen(): void
}

export function createLifecycle(): Lifecycle {
  const open = new Set<Response>()
  return {
    state: 'starting',
    track(response) {
      open.add(response)
      response.once('close', () => open.delete(response))
    },
    refuseOpen() {
      for (const response of open) sendProblem(response, new Problem('shutting_down'))
    },
  }
}
