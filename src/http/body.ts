import express, { type Request, type RequestHandler } from 'express'
import { Problem } from '../problems.ts'

/**
 * Reads and forgets a body of at most 1 KiB of JSON, so that the connection stays in step. What it says is never used:
 * the user is the one of the session. Any other body is refused and the connection closed.
 */
export const ignoreSmallJson: RequestHandler[] = [
  function requireJson(request, _response, next) {
    if (hasBody(request) && request.is('application/json') === false) {
      throw new Problem('unsupported_media_type', { headers: { Connection: 'close' } })
    }
    next()
  },
  express.json({ limit: 1024, inflate: false, type: 'application/json' }),
]

/** RFC 9112 §6.3; a browser's body-less POST says `Content-Length: 0`. */
function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
