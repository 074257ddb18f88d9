import type { ErrorRequestHandler, Response } from 'express'
import { Problem, problemDocument } from '../problems.ts'
import { describeError } from '../telemetry/logger.ts'
import { sendText } from './messages.ts'

/** Writes a refusal, unless an answer has begun: then the connection is cut, so that nobody takes half for whole. */
export function sendProblem(response: Response, problem: Problem): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  Object.assign(response.locals, { code: problem.code, diagnosis: problem.diagnosis })
  response.statusCode = problem.status
  response.preset({ ...problem.headers, 'cache-control': 'no-store' })
  sendText(response, 'application/problem+json', problemDocument(problem.code, response.locals.requestId))
}

/** The one error handler: a `Problem` as it is, anything else is a bug of ours, told to the log alone. */
export const writeProblem: ErrorRequestHandler = (error, _request, response, _next) => {
  sendProblem(response, error instanceof Problem ? error : createInternal(error))
}

function createInternal(cause: unknown): Problem {
  return new Problem('internal', { cause, diagnosis: describeError(cause) })
}
