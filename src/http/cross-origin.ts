import cors from 'cors'
import type { Request, RequestHandler } from 'express'
import type { OutcomeOf } from '../outcomes.ts'
import { Problem } from '../problems.ts'
import { hasHost } from './own-origin.ts'
import { precompute } from './headers.ts'

declare global {
  // eslint-disable-next-line typescript/no-namespace
  namespace Express {
    interface Locals {
      /** Whether the request comes from a page of our own origin, or from a caller that is not a browser. */
      sameOrigin?: boolean
    }
  }
}

type OriginSet = ReadonlySet<string>

interface TrustedOrigins {
  /** Those of the customer's pages. */
  allowed: OriginSet
  /** Our own, as configured. `Host` counts too, but a proxy may have changed it. */
  own: OriginSet
}

/**
 * Lets the script of an allowed page read the answer, and answers its preflight with a fixed set, never an
 * echo. This alone refuses nobody, because a request without a preflight still runs. `requireTrustedOrigin`
 * does that.
 */
export function allowOrigins(allowed: OriginSet): RequestHandler {
  const share = cors({
    origin: true,
    credentials: true,
    methods: ['POST'],
    // Tracing libraries wrap the page's `fetch` and add the last two.
    allowedHeaders: [
      'Authorization',
      'Cache-Control',
      'Content-Type',
      'Email',
      'X-Requested-With',
      'Traceparent',
      'Tracestate',
    ],
    exposedHeaders: ['Retry-After', 'X-Request-Id'],
    maxAge: 600,
  })
  const sharedWith = new Map([...allowed].map((origin) => [origin, precompute(share, { origin })]))
  return function allowListedOrigin(request, response, next) {
    const shareDecided = sharedWith.get(request.headers.origin ?? '')
    if (shareDecided === undefined) {
      response.preset({ vary: 'Origin' })
      next()
    } else if (request.method === 'OPTIONS') share(request, response, next)
    else shareDecided(request, response, next)
  }
}

/**
 * Refuses what another site's page could have sent with the user's cookies, before any work is done: a POST
 * without a body needs no preflight (draft-ietf-oauth-browser-based-apps §6.1.3.3). `Sec-Fetch-*` headers
 * cannot be set by a script.
 */
export function requireTrustedOrigin(
  { allowed, own }: TrustedOrigins,
  carriesCookie: (request: Request) => boolean,
): RequestHandler {
  return function checkOrigin(request, response, next) {
    const { origin } = request.headers
    const listed = origin !== undefined && allowed.has(origin)
    if (isNavigation(request)) throw notAllowed('not_a_script')
    const foreign = findForeign(request, own, carriesCookie)
    if (foreign !== undefined && !listed) throw notAllowed(foreign)
    response.locals.origin = listed ? origin : 'same-origin'
    response.locals.sameOrigin = foreign === undefined
    next()
  }
}

/** Why the request does not come from a page of our own origin; undefined if it does. */
function findForeign(
  request: Request,
  own: OriginSet,
  carriesCookie: (request: Request) => boolean,
): OutcomeOf<'origin_not_allowed'> | undefined {
  const { origin, host, 'sec-fetch-site': site } = request.headers
  if (origin === 'null') return 'origin_null'
  if (site !== undefined) return site === 'same-origin' ? undefined : 'origin_not_listed'
  if (origin === undefined) return carriesCookie(request) ? 'origin_missing' : undefined
  return own.has(origin.toLowerCase()) || isOfHost(origin, host) ? undefined : 'origin_not_host'
}

/** `outcome` is the reason, for the log. */
function notAllowed(outcome: OutcomeOf<'origin_not_allowed'>): Problem {
  return new Problem('origin_not_allowed', { diagnosis: { outcome } })
}

/** A form, a link or a frame, not a script's fetch. */
function isNavigation({ headers }: Request): boolean {
  return headers['sec-fetch-mode'] === 'navigate' || (headers['sec-fetch-dest'] ?? 'empty') !== 'empty'
}

function isOfHost(origin: string, host: string | undefined): boolean {
  const isOrigin = /^https?:\/\/[^/?#@\s]+$/i.test(origin) && URL.canParse(origin)
  return isOrigin && hasHost(new URL(origin), host)
}
