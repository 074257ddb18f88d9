import type { Request, RequestHandler, Response } from 'express'
import { z } from 'zod'
import { entryOf, type ReceivedRequest } from './requests.ts'

const dripIntervalMs = 100
const retryAfterSeconds = 2

const shortLifeSeconds = 2

const strikes = {
  timeout: () => {},
  'refuse-key': (_request: Request, response: Response) =>
    response.status(401).json({ error: 'api_key_refused', message: 'Fault refuse-key: the key is refused.' }),
  'rate-limit': (_request: Request, response: Response) =>
    response
      .status(429)
      .set('Retry-After', String(retryAfterSeconds))
      .json({ error: 'rate_limited', message: `Fault rate-limit: try again in ${retryAfterSeconds} s.` }),
  'server-error': (_request: Request, response: Response) =>
    response.status(500).json({ error: 'server_error', message: 'Fault server-error.' }),
  'bad-json': (_request: Request, response: Response) => response.type('json').send('{"token":"eyJhbGciOi'),
  'no-token': (_request: Request, response: Response) => response.json({ status: 'ok' }),
  'slow-body': (_request: Request, response: Response) => drip(response),
  redirect: (_request: Request, response: Response) => response.redirect(307, '/sandbox/redirected'),
}

const faultNames = [...(Object.keys(strikes) as (keyof typeof strikes)[]), 'short-lived'] as const
type FaultName = (typeof faultNames)[number]

/** The body of `POST /sandbox/faults`. */
export const faultRequest = z.strictObject({
  fault: z.enum([...faultNames, 'none']),
  count: z.int().min(1).max(1000).default(1),
})

/** The fault for the next token requests, and how many of them get it. */
export function createFaults() {
  let fault: FaultName | undefined
  let remaining = 0

  function set(name: FaultName | 'none', count = 1) {
    fault = name === 'none' ? undefined : name
    remaining = fault === undefined ? 0 : count
  }

  function take() {
    if (remaining === 0) return undefined
    remaining -= 1
    return fault
  }

  function current() {
    return remaining === 0 ? { fault: 'none', count: 0 } : { fault, count: remaining }
  }

  const struck: RequestHandler = (request, response, next) => {
    const name = take()
    entryOf(response).fault = name
    if (name === undefined || name === 'short-lived') next()
    else strikes[name](request, response)
  }

  return { set, current, struck }
}

/** The lifetime of this request's token, if its fault sets one. */
export function lifetimeUnder({ fault }: ReceivedRequest): number | undefined {
  return fault === 'short-lived' ? shortLifeSeconds : undefined
}

/**
 * Sends the headers at once, then one space (which JSON allows) ten times a second, until the caller gives
 * up.
 */
function drip(response: Response) {
  response.type('json').flushHeaders()
  const timer = setInterval(() => response.write(' '), dripIntervalMs)
  timer.unref()
  response.on('close', () => clearInterval(timer))
}
