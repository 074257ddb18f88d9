import type { ErrorRequestHandler, Response } from 'express'
import { Problem, problemDocument } from '../problems.ts'
import { describeError } from '../telemetry/logger.ts'
import { sendText } from './messages.ts'

/**
 * Writes a refusal. If an answer has begun, closes the connection instead, so that half an answer is not
 * taken for a whole one.
 */
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

/**
 * The one error handler. Any error other than a `Problem` is a bug of ours, and only the log describes it.
 */
export const writeProblem: ErrorRequestHandler = (error, _request, response, _next) => {
  sendProblem(response, asProblem(error))
}

/** The error itself, or `internal` for one that is a bug. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  return new Problem('internal', { cause: error, diagnosis: describeError(error) })
}
