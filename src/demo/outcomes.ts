import type { RequestHandler, Response } from 'express'

const keptOutcomes = 100

/**
 * The outcomes that the log has for the latest refusals, by request id. Only the demo exposes them to a
 * browser: in a real deployment they would help an attacker.
 */
export function createOutcomes() {
  const outcomes = new Map<string, string>()

  const watch: RequestHandler = (_request, response, next) => {
    response.on('close', () => remember(response))
    next()
  }

  function remember({ locals: { requestId, diagnosis } }: Response) {
    if (diagnosis?.outcome === undefined) return
    const [oldest] = outcomes.keys()
    if (outcomes.size >= keptOutcomes && oldest !== undefined) outcomes.delete(oldest)
    outcomes.set(requestId, diagnosis.outcome)
  }

  const answer: RequestHandler<{ requestId: string }> = ({ params }, response) => {
    response.json({ outcome: outcomes.get(params.requestId) })
  }

  return { watch, answer }
}
