import type { Request, RequestHandler, Response } from 'express'
import { clientNetwork } from '../http/client-address.ts'
import { sendText } from '../http/messages.ts'
import type { HandOnCookies } from '../http/renewed-session.ts'
import type { TokenIssuer } from '../returning-ai/issuer.ts'
import type { Sessions } from '../session/sessions.ts'
import type { TokenRequest, Tokens, UserToken } from '../tokens.ts'
import type { EmbedTokenAnswer, WidgetTokenAnswer } from './answers.ts'

export interface TokenRouteDependencies {
  sessions: Sessions
  tokens: Tokens
  handOnCookies: HandOnCookies
}

interface TokenRoute {
  /** The issuer that this request asks for. */
  issuerOf: (request: Request) => TokenIssuer
  /** Obtains the token. `fresh`: the caller wants one that is newly minted. */
  obtain: (request: TokenRequest, fresh: boolean) => UserToken | Promise<UserToken>
  /** Builds the answer, as `answers.ts` describes it. */
  answerOf: (token: string, life: Omit<WidgetTokenAnswer, 'token'>) => WidgetTokenAnswer | EmbedTokenAnswer
}

/** Takes the session of the customer's app and answers a token for exactly that user. */
export function createTokenHandler(
  { sessions, handOnCookies }: TokenRouteDependencies,
  { issuerOf, obtain, answerOf }: TokenRoute,
): RequestHandler {
  return async function handleTokenRequest(request, response) {
    const signal = abortWith(response)
    const fresh = asksForFresh(request)
    const issuer = issuerOf(request)
    const session = await sessions.verify(request, {
      signal,
      network: () => clientNetwork(request),
      fresh,
      require: issuer.userOf,
      renew: (setCookies) => handOnCookies(response, setCookies),
    })
    const { subject } = session
    response.locals.subject = subject
    const { requestId, origin } = response.locals
    const { token, ...rest } = await obtain({ session, issuer, signal, audit: { requestId, origin } }, fresh)
    sendToken(response, answerOf(token, { expiresIn: secondsLeft(rest), subject }), rest)
  }
}

function secondsLeft({ expiresAt }: Pick<UserToken, 'expiresAt'>): number | undefined {
  if (expiresAt === undefined) return undefined
  return Math.max(0, Math.floor((expiresAt - performance.now()) / 1000))
}

function sendToken(response: Response, answer: object, { rateLimit }: Pick<UserToken, 'rateLimit'>): void {
  if (response.headersSent) return
  if (rateLimit !== undefined) response.preset(rateLimit)
  sendText(response, 'application/json; charset=utf-8', JSON.stringify(answer))
}

/** Aborts when the caller disconnects before it has its answer. */
function abortWith(response: Response): AbortSignal {
  const controller = new AbortController()
  response.on('close', () => {
    if (!response.writableFinished) controller.abort()
  })
  return controller.signal
}

/** `fetch(…, { cache: 'reload' })` sends `no-cache` (RFC 9111 §5.2.1.4) without a preflight. */
function asksForFresh({ headers }: Request): boolean {
  return (
    headers['cache-control']?.split(',').some((directive) => directive.trim().toLowerCase() === 'no-cache') ??
    false
  )
}
