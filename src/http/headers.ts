import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { RequestHandler } from 'express'
import helmet, { type HelmetOptions } from 'helmet'

// One global set of security headers breaks the product: the script must load on other sites, the page must frame the
// vendor. So each kind of answer has its own. No HSTS anywhere: the host name is the customer's to decide.

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

/** For JSON: nothing in it may run, be framed or be read across sites but by CORS. */
export const dataHeaders = precompute({
  ...common,
  contentSecurityPolicy: inert,
  crossOriginResourcePolicy: { policy: 'same-origin' },
})

/** For the bridge, which any site may load. */
export const scriptHeaders = precompute({
  ...common,
  contentSecurityPolicy: inert,
  crossOriginResourcePolicy: { policy: 'cross-origin' },
})

/** For the page: its own scripts and styles, and frames of the vendor alone. */
export function pageHeaders(widgetOrigin: string): RequestHandler {
  return precompute({
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
  })
}

/** Lets helmet decide the headers once, at construction; a request only copies them. */
function precompute(options: HelmetOptions): RequestHandler {
  const response = new ServerResponse(new IncomingMessage(new Socket()))
  helmet(options)(response.req, response, (error) => {
    if (error !== undefined) throw new Error('unusable header options', { cause: error })
  })
  const headers = Object.entries(response.getHeaders()).map(([name, value]) => [name, String(value)] as const)
  return function setSecurityHeaders(_request, response, next) {
    for (const [name, value] of headers) response.setHeader(name, value)
    next()
  }
}
