import express, { type Express, type RequestHandler } from 'express'
import { ignoreSmallJson } from './http/body.ts'
import { allowOrigins, requireTrustedOrigin } from './http/cross-origin.ts'
import { rejectAmbiguousFraming } from './http/framing.ts'
import { dataHeaders } from './http/headers.ts'
import { limitRefusals } from './http/rate-limit.ts'
import { logRequests } from './http/request-log.ts'
import type { Lifecycle } from './lifecycle.ts'
import { Problem, writeProblem } from './problems.ts'
import { createAssets, type PageOptions } from './routes/page.ts'
import { answerHealthz, answerReadyz } from './routes/probes.ts'
import { issueWidgetToken, type WidgetTokenDependencies } from './routes/widget-token.ts'

export interface AppDependencies extends WidgetTokenDependencies {
  allowedOrigins: ReadonlySet<string>
  trustedProxies: readonly string[]
  lifecycle: Lifecycle
  page: PageOptions
}

/** The broker as a function of its dependencies. The order of these lines is the security policy. */
export function createApp(dependencies: AppDependencies): Express {
  const { allowedOrigins, trustedProxies, lifecycle, limits, logger, page, sessions } = dependencies
  const app = createExactRouter(trustedProxies)

  app.use(logRequests(logger))
  app.use(followLifecycle(lifecycle))
  app.use(dataHeaders)
  app.use(rejectAmbiguousFraming)

  app
    .route('/widget-token')
    .all(neverStore)
    .all(allowOrigins(allowedOrigins))
    .all(only('POST', 'OPTIONS'))
    .all(requireTrustedOrigin(allowedOrigins, (request) => sessions.readsCookieOf(request)))
    .options(answerOptions)
    .post(ignoreSmallJson)
    .post(issueWidgetToken(dependencies))
    .all(limitRefusals(limits.refusals))

  app.route('/healthz').all(only('GET', 'HEAD')).get(answerHealthz)
  app.route('/readyz').all(only('GET', 'HEAD')).get(answerReadyz(lifecycle))
  for (const { path, handlers } of createAssets(page)) app.route(path).all(only('GET', 'HEAD')).get(handlers)

  app.use(refuseUnknownPath)
  app.use(writeProblem)
  return app
}

/** Express matches `/WIDGET-TOKEN/` too by default, which would walk past a path rule of a proxy in front. */
function createExactRouter(trustedProxies: readonly string[]): Express {
  const app = express()
  app.enable('case sensitive routing')
  app.enable('strict routing')
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', false)
  app.set('trust proxy', trustedProxies)
  return app
}

function followLifecycle(lifecycle: Lifecycle): RequestHandler {
  return function followState(_request, response, next) {
    if (lifecycle.state === 'draining') response.setHeader('Connection', 'close')
    lifecycle.track(response)
    next()
  }
}

function only(...methods: readonly string[]): RequestHandler {
  const allow = methods.join(', ')
  return function checkMethod(request, _response, next) {
    if (!methods.includes(request.method))
      throw new Problem('method_not_allowed', { headers: { Allow: allow } })
    next()
  }
}

const neverStore: RequestHandler = (_request, response, next) => {
  response.setHeader('Cache-Control', 'no-store')
  next()
}

const answerOptions: RequestHandler = (_request, response) => {
  response.setHeader('Allow', 'POST, OPTIONS')
  response.status(204).end()
}

const refuseUnknownPath: RequestHandler = () => {
  throw new Problem('not_found')
}
