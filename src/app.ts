import type { Express, RequestHandler } from 'express'
import { presetHeaders } from './http/answer.ts'
import { ignoreSmallJson } from './http/body.ts'
import { allowOrigins, requireTrustedOrigin } from './http/cross-origin.ts'
import { rejectAmbiguousFraming } from './http/framing.ts'
import { dataHeaders, neverStore } from './http/headers.ts'
import { limitRefusals } from './http/rate-limit.ts'
import { logRequests } from './http/request-log.ts'
import { createExactRouter, only, refuseUnknownPath } from './http/router.ts'
import { writeProblem } from './http/write-problem.ts'
import type { Lifecycle } from './http/lifecycle.ts'

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
  const { allowedOrigins, trustedProxies, lifecycle, limits, logger, metrics, page, sessions } = dependencies
  const app = createExactRouter(trustedProxies)

  // First on every route and for every unknown path. As `app.use`, each would be a layer of its own to Express's router:
  // up to a seventh of the CPU of a request whose session is known.
  const always = [
    logRequests(logger, metrics),
    followLifecycle(lifecycle),
    dataHeaders,
    rejectAmbiguousFraming,
  ]
  const route = (path: string) => app.route(path).all(always)

  route('/widget-token')
    .all(neverStore)
    .all(allowOrigins(allowedOrigins))
    .all(only('POST', 'OPTIONS'))
    .all(requireTrustedOrigin(allowedOrigins, (request) => sessions.readsCookieOf(request)))
    .options(answerOptions)
    .post(ignoreSmallJson)
    .post(issueWidgetToken(dependencies))
    .all(limitRefusals(limits.refusals))

  route('/healthz').all(only('GET', 'HEAD')).get(answerHealthz)
  route('/readyz').all(only('GET', 'HEAD')).get(answerReadyz(lifecycle))
  for (const { path, handlers } of createAssets(page)) route(path).all(only('GET', 'HEAD')).get(handlers)

  app.use(always, refuseUnknownPath)
  app.use(writeProblem)
  return app
}

function followLifecycle(lifecycle: Lifecycle): RequestHandler {
  return function followState(_request, response, next) {
    lifecycle.track(response)
    next()
  }
}

const answerOptions: RequestHandler = (_request, response) => {
  presetHeaders(response, { Allow: 'POST, OPTIONS' })
  response.status(204).end()
}
