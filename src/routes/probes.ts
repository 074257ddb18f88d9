import type { RequestHandler } from 'express'
import type { Lifecycle } from '../http/lifecycle.ts'
import { Problem } from '../problems.ts'
import type { ProbeAnswer } from './answers.ts'

const fine: ProbeAnswer = { status: 'ok' }

/**
 * Liveness: the process answers. It depends on nothing else, because an outage elsewhere must not restart the
 * broker.
 */
export const answerHealthz: RequestHandler = (_request, response) => {
  response.preset({ 'cache-control': 'no-store' })
  response.json(fine)
}

/**
 * Readiness: started and not draining. The vendor does not count, because no other replica could reach it
 * either.
 */
export function answerReadyz(lifecycle: Lifecycle): RequestHandler {
  return function handleReadyz(_request, response) {
    if (lifecycle.state !== 'ready')
      throw new Problem('shutting_down', { diagnosis: { outcome: lifecycle.state } })
    response.preset({ 'cache-control': 'no-store' })
    response.json(fine)
  }
}
