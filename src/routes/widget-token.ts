import type { Request, RequestHandler, Response } from 'express'
import { clientNetwork } from '../http/client-address.ts'
import { sendText } from '../http/messages.ts'
import type { HandOnCookies } from '../http/renewed-session.ts'
import type { FindIssuer } from '../returning-ai/signin.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Tokens, UserToken } from '../tokens.ts'

export interface WidgetTokenDependencies {
  sessions: Sessions
  tokens: Tokens
  signin: FindIssuer
  handOnCookies: HandOnCookies
}

/**
 * `POST /widget-token`: verifies the session of the customer's app and answers with a widget token for that
 * user.
 */
export function issueWidgetToken(dependencies: WidgetTokenDependencies): RequestHandler {
  const { sessions, tokens, signin, handOnCookies } = dependencies
  return async function handleWidgetToken(request, response) {
    const signal = abortWith(response)
    const fresh = asksForFresh(request)
    const issuer = signin(widgetTypeOf(request))
    const session = await sessions.verify(request, {
      signal,
      network: () => clientNetwork(request),
      fresh,
      require: issuer.userOf,
      renew: (setCookies) => handOnCookies(response, setCookies),
    })
    response.locals.subject = session.subject
    const { requestId, origin } = response.locals
    const token = await tokens.get({ session, issuer, signal, audit: { requestId, origin } }, fresh)
    sendToken(response, token, session.subject)
  }
}

function sendToken(response: Response, { token, expiresAt, rateLimit }: UserToken, subject: string): void {
  if (response.headersSent) return
  const expiresIn =
    expiresAt === undefined ? undefined : Math.max(0, Math.floor((expiresAt - performance.now()) / 1000))
  if (rateLimit !== undefined) response.preset(rateLimit)
  sendText(response, 'application/json; charset=utf-8', JSON.stringify({ token, expiresIn, subject }))
}

/** Aborts when the caller disconnects before its answer is sent. */
function abortWith(response: Response): AbortSignal {
  const controller = new AbortController()
  response.on('close', () => {
    if (!response.writableFinished) controller.abort()
  })
  return controller.signal
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
