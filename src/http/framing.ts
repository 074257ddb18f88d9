import type { RequestHandler } from 'express'
import { Problem } from '../problems.ts'

/**
 * Refuses what a proxy in front may read differently than we do (RFC 9112 §3.2, §6.1, §11.2): two Hosts,
 * a transfer coding other than chunked, a target that is no plain path, HTTP/0.9. Node's parser lets these pass.
 */
export const rejectAmbiguousFraming: RequestHandler = (request, _response, next) => {
  const coding = request.headers['transfer-encoding']
  const { url, httpVersionMajor } = request
  const plainTarget = (url.startsWith('/') && !url.includes('#')) || url === '*'
  const clear =
    httpVersionMajor === 1 && plainTarget && (coding === undefined || coding.toLowerCase() === 'chunked')
  if (!clear || hasTwoHosts(request.rawHeaders)) {
    throw new Problem('bad_request', {
      headers: { Connection: 'close' },
      diagnosis: { outcome: 'ambiguous_framing' },
    })
  }
  next()
}

function hasTwoHosts(rawHeaders: readonly string[]): boolean {
  let hosts = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  return hosts > 1
}
