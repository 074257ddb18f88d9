import express, { type Express, type RequestHandler } from 'express'
import { Problem } from '../problems.ts'
import { withoutPort } from './client-address.ts'
import { useOwnMessages } from './messages.ts'

/** By default, Express also matches `/WIDGET-TOKEN/`, which would bypass a path rule of a proxy in front. */
export function createExactRouter(trustedProxies: readonly string[] = []): Express {
  const app = express()
  useOwnMessages(app)
  app.enable('case sensitive routing')
  app.enable('strict routing')
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', false)
  trustProxies(app, trustedProxies)
  return app
}

function trustProxies(app: Express, proxies: readonly string[]): void {
  app.set('trust proxy', proxies)
  const isTrusted = app.get('trust proxy fn') as (address: string, hop: number) => boolean
  app.set('trust proxy', (address: string, hop: number) => isTrusted(withoutPort(address), hop))
}

/** Refuses other methods of a known path with 405 and `Allow` (RFC 9110 §15.5.6). */
export function only(...methods: readonly string[]): RequestHandler {
  const allow = methods.join(', ')
  return function checkMethod(request, _response, next) {
    if (!methods.includes(request.method)) throw new Problem('method_not_allowed', { headers: { allow } })
    next()
  }
}

export const refuseUnknownPath: RequestHandler = () => {
  throw new Problem('not_found')
}
