import type { RequestHandler, Response } from 'express'
import { Problem } from '../problems.ts'
import { sendProblem } from './write-problem.ts'

/** Where the process stands between its start and its end; the probes and every answer follow it. */
export interface Lifecycle {
  state: 'starting' | 'ready' | 'draining'
  /** Remembers each answer in progress. */
  follow: RequestHandler
  /** From now on not ready: every answer, also one in progress, is the last of its connection. */
  drain(): void
  /** Resolves as soon as no answer is in progress. */
  idle(): Promise<void>
  /** Ends every answer that has not begun with 503 `shutting_down`. */
  refuseOpen(): void
}

export function createLifecycle(): Lifecycle {
  // Not a Set: V8 keeps what a busy one once held until its next full collection.
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

/** A kept connection would outlive the listener: `server.close()` waits for it, and the client would meet a reset. */
function makeLast(response: Response): void {
  response.preset({ connection: 'close' })
}
