import type { Socket } from 'node:net'
import type { Request, RequestHandler } from 'express'
import { Problem } from '../problems.ts'
import { headerLines } from './header-lines.ts'

/** Node 20 keeps this many header lines of a request and silently drops the rest. */
export const maxHeaders = 100

/** Connections whose further requests are ignored: what follows an ambiguous request may be part of it. */
const condemned = new WeakSet<Socket>()

/**
 * Refuses what a proxy in front may read differently from us (RFC 9112 §3.2, §6.1, §11.2): two Hosts or none,
 * a transfer coding other than chunked, a target that is not a plain path, HTTP/0.9, more headers than we
 * see. Node's parser accepts these, and passes on the requests behind them although the connection is about
 * to close.
 */
export const rejectAmbiguousFraming: RequestHandler = (request, _response, next) => {
  if (isClear(request) && !condemned.has(request.socket)) {
    next()
    return
  }
  condemned.add(request.socket)
  throw new Problem('bad_request', {
    headers: { connection: 'close', vary: 'Origin' },
    diagnosis: { outcome: 'ambiguous_framing' },
  })
}

function isClear(request: Request): boolean {
  const { headers, httpVersion, httpVersionMajor, rawHeaders, url } = request
  const coding = headers['transfer-encoding']
  const plainTarget = (url.startsWith('/') && !url.includes('#')) || url === '*'
  const plainCoding = coding === undefined || coding.toLowerCase() === 'chunked'
  const hosts = headerLines(request, 'host').length
  const plainHost = hosts === 1 || (hosts === 0 && httpVersion === '1.0')
  const allSeen = rawHeaders.length < 2 * maxHeaders
  return httpVersionMajor === 1 && plainTarget && plainCoding && plainHost && allSeen
}
