import type { RequestHandler, Response } from 'express'
import { Problem } from '../problems.ts'
import { sendProblem } from './write-problem.ts'

/** The state of the process from start to end. The probes and every answer depend on it. */
export interface Lifecycle {
  state: 'starting' | 'ready' | 'draining'
  /** Tracks each answer in progress. */
  follow: RequestHandler
  /**
   * Makes the process not ready. Every answer, including those in progress, is the last of its connection.
   */
  drain(): void
  /** Resolves as soon as no answer is in progress. */
  idle(): Promise<void>
  /** Ends every answer that has not begun with 503 `shutting_down`. */
  refuseOpen(): void
}

export function createLifecycle(): Lifecycle {
  // Not a Set: until its next full collection, V8 keeps what a busy one once held.
  const open: Response[] = []
  let becomeIdle: (() => void) | undefined

  function untrack(response: Response): void {
    const index = open.indexOf(response)
    if (index !== -1) open.splice(index, 1)
    if (open.length === 0) becomeIdle?.()
  }

  const lifecycle: Lifecycle = {
    state: 'starting',
    follow(_request, response, next) {
      open.push(response)
      response.on('close', () => untrack(response))
      if (lifecycle.state === 'draining') makeLast(response)
      next()
    },
    drain() {
      lifecycle.state = 'draining'
      for (const response of open) makeLast(response)
    },
    idle: () =>
      new Promise((resolve) => {
        becomeIdle = resolve
        if (open.length === 0) resolve()
      }),
    refuseOpen() {
      for (const response of open) sendProblem(response, new Problem('shutting_down'))
    },
  }
  return lifecycle
}

/**
 * A kept-alive connection would outlive the listener: `server.close()` waits for it, and its client would see
 * a reset.
 */
function makeLast(response: Response): void {
  response.preset({ connection: 'close' })
}
