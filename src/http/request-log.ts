import { randomUUID } from 'node:crypto'
import type { Request, RequestHandler, Response } from 'express'
import type { Logger } from '../telemetry/logger.ts'
import { clientAddress } from './client-address.ts'
import type { Diagnosis, ProblemCode } from '../problems.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { traceIdOf } from '../telemetry/trace.ts'

declare global {
  // eslint-disable-next-line typescript/no-namespace
  namespace Express {
    interface Locals {
      requestId: string
      /** The allowed origin that asks, or `same-origin`. */
      origin?: string
      subject?: string
      code?: ProblemCode
      diagnosis?: Diagnosis
    }
  }
}

/** The status that nginx logs for a client that disconnected before its answer. It is never sent. */
const clientClosed = 499

const requestIdPattern = /^[A-Za-z0-9._-]{1,64}$/

/** Gives each request an id and, at its end, one log line with a fixed list of fields. */
export function logRequests(logger: Logger, metrics?: Metrics): RequestHandler {
  return function logAtEnd(request, response, next) {
    const startedAt = performance.now()
    const end = () => {
      const durationMs = performance.now() - startedAt
      writeLine(logger, request, response, durationMs)
      metrics?.requestEnded(routeOf(request) ?? 'none', request.method, statusOf(response), durationMs / 1000)
    }
    const given = request.headers['x-request-id']
    const requestId = typeof given === 'string' && requestIdPattern.test(given) ? given : randomUUID()
    response.locals.requestId = requestId
    response.preset({ 'x-request-id': requestId })
    response.on('close', end)
    next()
  }
}

function writeLine(logger: Logger, request: Request, response: Response, durationMs: number): void {
  const status = statusOf(response)
  const route = routeOf(request)
  const { requestId, subject, code, diagnosis } = response.locals
  logger[levelOf(status, route)]({
    requestId,
    method: request.method,
    route,
    status,
    code: status === clientClosed ? 'client_closed' : code,
    durationMs: Math.round(durationMs * 10) / 10,
    subject,
    traceId: traceIdOf(request.headers.traceparent),
    clientIp: clientAddress(request),
    ...diagnosis,
  })
}

/** An orchestrator calls the probes many times a minute, which would bury the other lines. */
function levelOf(status: number, route: string | undefined): 'debug' | 'info' | 'warn' | 'error' {
  if (route === '/healthz' || route === '/readyz') return 'debug'
  if (status < 500) return 'info'
  return status === 503 ? 'warn' : 'error'
}

function statusOf(response: Response): number {
  return response.writableFinished ? response.statusCode : clientClosed
}

/** The route's template, never the path as sent, which may contain anything. */
function routeOf(request: Request): string | undefined {
  const route: { path?: unknown } | undefined = request.route
  return typeof route?.path === 'string' ? route.path : undefined
}
