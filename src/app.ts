import type { Express, RequestHandler } from 'express'
import { ignoreSmallJson } from './http/body.ts'
import { warnOfUntrustedProxy } from './http/client-address.ts'
import { allowOrigins, requireTrustedOrigin } from './http/cross-origin.ts'
import { rejectAmbiguousFraming } from './http/framing.ts'
import { dataHeaders, neverStore } from './http/headers.ts'
import type { Lifecycle } from './http/lifecycle.ts'
import { countRefusals, type RateLimits } from './http/rate-limit.ts'
import { logRequests } from './http/request-log.ts'
import { createExactRouter, only, refuseUnknownPath } from './http/router.ts'
import { writeProblem } from './http/write-problem.ts'
import { answerOpenApi } from './routes/openapi/document.ts'
import { createAssets, type PageOptions } from './routes/page.ts'
import { answerHealthz, answerReadyz } from './routes/probes.ts'
import { issueEmbedToken } from './routes/embed-token.ts'
import { refuseServedSecrets } from './routes/served-secrets.ts'
import type { TokenRouteDependencies } from './routes/token-request.ts'
import { issueWidgetToken } from './routes/widget-token.ts'
import type { TokenIssuer } from './returning-ai/issuer.ts'
import type { FindIssuer } from './returning-ai/signin.ts'
import type { Logger } from './telemetry/logger.ts'
import type { Metrics } from './telemetry/metrics.ts'

export interface AppDependencies extends TokenRouteDependencies {
  /** The doors of the vendor that are configured. The route of any other does not exist. */
  signin?: FindIssuer
  accessKey?: TokenIssuer
  allowedOrigins: ReadonlySet<string>
  /** Our own origins, as far as they are configured. */
  ownOrigins: ReadonlySet<string>
  trustedProxies: readonly string[]
  lifecycle: Lifecycle
  limits: RateLimits
  logger: Logger
  metrics?: Metrics
  page: PageOptions
  /** The configured secrets. Nothing that anyone can fetch may contain one. */
  secrets: readonly string[]
}

/** The broker as a function of its dependencies. The order of these lines is the security policy. */
export function createApp(dependencies: AppDependencies): Express {
  const { allowedOrigins, ownOrigins, trustedProxies, lifecycle, limits, logger, metrics, page } =
    dependencies
  const { sessions, signin, accessKey, secrets } = dependencies
  const trusted = { allowed: allowedOrigins, own: ownOrigins }
  const app = createExactRouter(trustedProxies)

  // Every request.
  app.use(logRequests(logger, metrics))
  app.use(warnOfUntrustedProxy(logger))
  app.use(lifecycle.follow)
  app.use(dataHeaders)
  app.use(rejectAmbiguousFraming)

  // Only a script of a trusted page, with a session.
  if (signin !== undefined) tokenRoute('/widget-token', issueWidgetToken(dependencies, signin))
  if (accessKey !== undefined) tokenRoute('/embed-token', issueEmbedToken(dependencies, accessKey))

  // Anyone.
  const assets = createAssets(page)
  refuseServedSecrets(assets, secrets)
  for (const { path, handlers } of assets) openRoute(path, handlers)
  openRoute('/openapi.json', answerOpenApi({ signin, accessKey, assets, publicUrls: page.publicUrls }))
  openRoute('/healthz', answerHealthz)
  openRoute('/readyz', answerReadyz(lifecycle))
  app.use(refuseUnknownPath)
  app.use(writeProblem)
  return app

  function tokenRoute(path: string, issue: RequestHandler): void {
    app
      .route(path)
      .all(neverStore)
      .all(allowOrigins(allowedOrigins))
      .all(only('POST', 'OPTIONS'))
      .all(requireTrustedOrigin(trusted, (request) => sessions.readsCookieOf(request)))
      .options(answerOptions)
      .post(ignoreSmallJson)
      .post(issue)
      .all(countRefusals(limits.refusals))
  }

  function openRoute(path: string, answer: RequestHandler | RequestHandler[]): void {
    app.route(path).all(only('GET', 'HEAD')).get(answer)
  }
}

const answerOptions: RequestHandler = (_request, response) => {
  response.preset({ allow: 'POST, OPTIONS' })
  response.status(204).end()
}
