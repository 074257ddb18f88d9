import type { Request, RequestHandler, Response } from 'express'
import { Abort } from '../lib/abort.ts'
import { presetHeaders, sendText } from '../http/answer.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { RateLimits } from '../http/rate-limit.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Session } from '../session/identity.ts'
import type { Tokens, UsableToken } from '../tokens.ts'
import type { KeyRings } from '../returning-ai/keys.ts'
import type { IssuedToken } from '../returning-ai/signin.ts'

export interface WidgetTokenDependencies {
  logger: Logger
  sessions: Sessions
  tokens: Tokens
  keys: KeyRings
  limits: RateLimits
  metrics?: Metrics
}

/** `POST /widget-token`: the session of the customer's app in, a widget token for exactly that user out. */
export function issueWidgetToken({
  logger,
  sessions,
  tokens,
  keys,
  limits,
  metrics,
}: WidgetTokenDependencies): RequestHandler {
  return async function handleWidgetToken(request, response) {
    const signal = abortWith(response)
    const fresh = asksForFresh(request)
    const session = await sessions.verify(request, signal, fresh)
    response.locals.subject = session.subject
    let reused = true
    const issued = await tokens.get({
      session,
      keys: keys.of(widgetTypeOf(request)),
      fresh,
      signal,
      admit: async () => presetHeaders(response, await limits.mints(session.subject)),
      minted: (token) => {
        reused = false
        metrics?.tokenIssued('vendor')
        audit(logger, session, token, response)
      },
    })
    if (reused) metrics?.tokenIssued('reused')
    sendToken(response, issued, session.subject)
  }
}

function sendToken(response: Response, { token, expiresAt }: UsableToken, subject: string): void {
  if (response.headersSent) return
  const expiresIn =
    expiresAt === undefined ? undefined : Math.max(0, Math.floor((expiresAt - performance.now()) / 1000))
  sendText(response, 'application/json; charset=utf-8', JSON.stringify({ token, expiresIn, subject }))
}

function audit(
  logger: Logger,
  session: Session,
  { vendorMs, attempts, keyId }: IssuedToken,
  response: Response,
): void {
  const { requestId, origin } = response.locals
  const { subject, mode: sessionMode } = session
  logger.info({ event: 'token_issued', requestId, subject, sessionMode, origin, vendorMs, attempts, keyId })
}

/** Aborts when the caller goes away before it has its answer. */
function abortWith(response: Response): Abort {
  const signal = new Abort()
  response.on('close', () => {
    if (!response.writableFinished) signal.abort()
  })
  return signal
}

function widgetTypeOf({ url }: Request): string | undefined {
  const start = url.indexOf('?')
  return start === -1 ? undefined : (new URLSearchParams(url.slice(start)).get('widget') ?? undefined)
}

/** `fetch(…, { cache: 'reload' })` sends `no-cache` (RFC 9111 §5.2.1.4) without a preflight. */
function asksForFresh({ headers }: Request): boolean {
  return (
    headers['cache-control']?.split(',').some((directive) => directive.trim().toLowerCase() === 'no-cache') ??
    false
  )
}
