import type { Express } from 'express'
import { dataHeaders } from '../http/headers.ts'
import type { Exposition } from '../telemetry/metrics.ts'
import { logRequests } from '../http/request-log.ts'
import { createExactRouter, only, refuseUnknownPath } from '../http/router.ts'
import { writeProblem } from '../http/write-problem.ts'
import type { Lifecycle } from '../http/lifecycle.ts'
import type { Logger } from '../telemetry/logger.ts'
import { answerHealthz, answerReadyz } from './probes.ts'

interface AdminDependencies {
  logger: Logger
  metrics: Exposition
  lifecycle: Lifecycle
}

/** The second listener, for operators only. The public one has no metrics. */
export function createAdminApp({ logger, metrics, lifecycle }: AdminDependencies): Express {
  const app = createExactRouter()
  app.use(logRequests(logger))
  app.use(dataHeaders)
  app
    .route('/metrics')
    .all(only('GET', 'HEAD'))
    .get(async (_request, response) => {
      response.type(metrics.contentType).send(await metrics.read())
    })
  app.route('/healthz').all(only('GET', 'HEAD')).get(answerHealthz)
  app.route('/readyz').all(only('GET', 'HEAD')).get(answerReadyz(lifecycle))
  app.use(refuseUnknownPath)
  app.use(writeProblem)
  return app
}
