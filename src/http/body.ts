import type { Request, RequestHandler } from 'express'
import { Problem } from '../problems.ts'

const maxBytes = 1024

/**
 * Reads and discards a JSON body of at most 1 KiB, so that the connection can be used again. Its content is
 * never used, not even parsed: the session names the user. Any other body is refused before it has arrived,
 * and the connection is closed (body-parser would first read all of it).
 */
export const ignoreSmallJson: RequestHandler = (request, _response, next) => {
  if (!hasBody(request)) {
    next()
    return
  }
  requireJson(request)
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge()
  let size = 0
  request.on('data', (chunk: Buffer) => {
    const before = size
    size += chunk.length
    if (before <= maxBytes && size > maxBytes) next(tooLarge())
  })
  request.once('end', () => {
    if (size <= maxBytes) next()
  })
}

/** RFC 9112 §6.3. A browser's POST without a body sends `Content-Length: 0`. */
function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

function requireJson({ headers }: Request): void {
  const isJson = /^application\/json *(; *charset="?utf-8"? *)?$/i.test(headers['content-type'] ?? '')
  const isPlain = (headers['content-encoding'] ?? 'identity').toLowerCase() === 'identity'
  if (!isJson || !isPlain) {
    throw new Problem('unsupported_media_type', { headers: { connection: 'close' } })
  }
}

function tooLarge(): Problem {
  return new Problem('payload_too_large', { headers: { connection: 'close' } })
}
