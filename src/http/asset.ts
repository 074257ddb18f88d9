import { hash } from 'node:crypto'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import type { RequestHandler } from 'express'

/** One file in each of its encodings. */
export interface Asset {
  type: string
  cacheControl: string
  identity: Buffer
  br: Buffer
  gzip: Buffer
}

/** The best quality takes several times as long, and saves only a tenth. */
const quick = { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }

/** Compresses a small text that is known at start only; files are compressed by the build. */
export function compress(text: string): Pick<Asset, 'identity' | 'br' | 'gzip'> {
  return { identity: Buffer.from(text), br: brotliCompressSync(text, quick), gzip: gzipSync(text) }
}

/**
 * Serves an asset in the smallest encoding that the client accepts (RFC 9110 §12.5.3). Each encoding is a
 * representation with an `ETag` of its own. The length is sent to HTTP/1.0 too: without it, half an answer
 * looks whole.
 */
export function serveAsset({ type, cacheControl, ...bodies }: Asset): RequestHandler {
  const etag = hash('sha256', bodies.identity, 'base64url').slice(0, 27)
  return function answerAsset(request, response) {
    const encoding = chooseEncoding(request.headers['accept-encoding'] ?? '')
    const body = bodies[encoding]
    response.preset({
      'cache-control': cacheControl,
      vary: 'Accept-Encoding',
      etag: encoding === 'identity' ? `"${etag}"` : `"${etag}-${encoding}"`,
    })
    if (request.fresh) {
      response.status(304).end()
      return
    }
    if (encoding !== 'identity') response.preset({ 'content-encoding': encoding })
    response.preset({ 'content-type': type, 'content-length': body.length })
    response.end(body)
  }
}

/** `br;q=0` and `*;q=0` refuse; what is not named is not sent. */
function chooseEncoding(accepted: string): 'br' | 'gzip' | 'identity' {
  const wanted = (name: string) =>
    accepted.split(',').some((each) => {
      const [coding = '', ...parameters] = each.toLowerCase().split(';')
      return coding.trim() === name && !parameters.some((parameter) => /^\s*q=0(\.0*)?\s*$/.test(parameter))
    })
  if (wanted('br')) return 'br'
  return wanted('gzip') ? 'gzip' : 'identity'
}
