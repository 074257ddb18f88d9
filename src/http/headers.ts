import type http from 'node:http'
import { Socket } from 'node:net'
import type { RequestHandler } from 'express'
import helmet, { type HelmetOptions } from 'helmet'
import { IncomingMessage, ServerResponse } from './node-http.ts'

// One global set of security headers breaks the product: the script must load on other sites, the page must
// frame the vendor. So each kind of answer has its own. There is no HSTS, because the host name belongs to
// the customer.

const common: HelmetOptions = {
  strictTransportSecurity: false,
  xXssProtection: false,
  xDownloadOptions: false,
  xDnsPrefetchControl: false,
  xPermittedCrossDomainPolicies: false,
  originAgentCluster: false,
  crossOriginOpenerPolicy: false,
  xFrameOptions: { action: 'deny' },
  referrerPolicy: { policy: 'no-referrer' },
}

const inert = { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } }

/** For JSON: it may not run, be framed, or be read across sites except by CORS. */
export const dataHeaders = precompute(
  helmet({ ...common, contentSecurityPolicy: inert, crossOriginResourcePolicy: { policy: 'same-origin' } }),
)

/** For what is valid only now and only for this user. */
export const neverStore: RequestHandler = (_request, response, next) => {
  response.preset({ 'cache-control': 'no-store' })
  next()
}

/** For the bridge, which any site may load. */
export const scriptHeaders = precompute(
  helmet({ ...common, contentSecurityPolicy: inert, crossOriginResourcePolicy: { policy: 'cross-origin' } }),
)

/** For the page: its own scripts and styles, and frames of the vendor alone. */
export function pageHeaders(widgetOrigin: string): RequestHandler {
  return precompute(
    helmet({
      ...common,
      crossOriginResourcePolicy: { policy: 'same-origin' },
      crossOriginOpenerPolicy: { policy: 'same-origin' },
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'none'"],
          scriptSrc: ["'self'"],
          styleSrc: ["'self'"],
          imgSrc: ["'self'", 'data:'],
          connectSrc: ["'self'"],
          frameSrc: [widgetOrigin],
          baseUri: ["'none'"],
          formAction: ["'self'"],
          frameAncestors: ["'none'"],
          requireTrustedTypesFor: ["'script'"],
          trustedTypes: ["'none'"],
        },
      },
    }),
  )
}

type Middleware = (
  request: http.IncomingMessage,
  response: http.ServerResponse,
  next: (error?: unknown) => void,
) => void

/** Lets a library compute its headers once, for a GET with these headers. Each request only copies them. */
export function precompute(
  decide: Middleware,
  requestHeaders: http.IncomingHttpHeaders = {},
): RequestHandler {
  const request = Object.assign(new IncomingMessage(new Socket()), { method: 'GET', headers: requestHeaders })
  const decided = new ServerResponse(request)
  decide(request, decided, (error) => {
    if (error !== undefined) throw new Error('unusable header options', { cause: error })
  })
  const headers = Object.fromEntries(
    Object.entries(decided.getHeaders()).map(([name, value]) => [name, String(value)]),
  )
  return function setDecidedHeaders(_request, response, next) {
    response.preset(headers)
    next()
  }
}
