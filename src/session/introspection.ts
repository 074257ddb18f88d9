import { hash } from 'node:crypto'
import { clockToleranceSeconds, toMonotonic } from '../lib/clock.ts'
import type { HttpClient } from '../outbound/client.ts'
import type { OutboundAnswer } from '../outbound/exchange.ts'
import { isRecord } from '../lib/json.ts'
import type { Problem } from '../problems.ts'
import type { SessionVerifier } from './sessions.ts'
import { cookieNames, createTokenSource, sessionInvalid, sourceUnavailable } from './credential.ts'
import type { Claims, VerifiedClaims } from './claims.ts'
import { askSource, parseSourceJson } from './ask-source.ts'

export interface IntrospectionSettings {
  /** Where the token is: `bearer`, `cookie:NAME`, `header:NAME`. */
  source: readonly string[]
  url: URL
  clientId: string
  clientSecret: string
}

export interface IntrospectionVerifierOptions extends IntrospectionSettings {
  client: HttpClient
  timeoutMs: number
  rememberMs: number
}

const maxBytes = 64 * 1024

/** Sessions that are a token which the authorization server is asked about (RFC 7662). */
export function createIntrospectionVerifier(options: IntrospectionVerifierOptions): SessionVerifier {
  const { client, source, url, clientId, clientSecret, timeoutMs, rememberMs } = options
  const headers = {
    accept: 'application/json',
    'accept-encoding': 'identity',
    authorization: basicCredentials(clientId, clientSecret),
    'content-type': 'application/x-www-form-urlencoded',
  }
  const findToken = createTokenSource(source)
  return {
    mode: 'introspection',
    id: JSON.stringify([url.href, clientId, hash('sha256', clientSecret, 'base64url')]),
    rememberMs,
    remote: true,
    cookies: cookieNames(source),
    readCredential: (request) => findToken(request)?.token,
    async verify(token, signal) {
      // In the body: a URL ends up in access logs (RFC 7662 §4).
      const body = new URLSearchParams({ token, token_type_hint: 'access_token' }).toString()
      return readAnswer(
        await askSource(client, { url, method: 'POST', headers, body, timeoutMs, maxBytes, signal }),
      )
    },
  }
}

/** RFC 6749 §2.3.1: both halves are form-encoded first, so that a colon in one of them survives. */
function basicCredentials(clientId: string, clientSecret: string): string {
  const [id, secret] = [clientId, clientSecret].map((half) =>
    new URLSearchParams({ '': half }).toString().slice(1),
  )
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
}

function readAnswer({ status, body }: OutboundAnswer): VerifiedClaims {
  if (status !== 200) throw readRefusal(status, body)
  const claims = parseSourceJson(body)
  if (!isRecord(claims) || claims.active !== true) throw sessionInvalid('inactive')
  const expiresAt = requireLifetime(claims)
  return { claims, issuer: typeof claims.iss === 'string' ? claims.iss : undefined, expiresAt }
}

/**
 * That the server refuses our own credentials says nothing about the user's: it is an outage, which an operator must
 * mend. Some servers answer 400 for a token of a kind that they do not introspect (RFC 7009 §2.2.1): that is a verdict.
 */
function readRefusal(status: number, body: string): Problem {
  if (status === 400 && body.includes('"unsupported_token_type"'))
    return sessionInvalid('unsupported_token_type')
  const clientRefused = status === 400 || status === 401 || status === 403
  return sourceUnavailable(clientRefused ? 'client_refused' : `answer_status_${status}`)
}

/** Both dates are optional here (RFC 7662 §2.2); some servers spell an absent one as null. */
function requireLifetime(claims: Claims): number | undefined {
  const now = Date.now() / 1000
  const exp = readDate(claims, 'exp')
  const nbf = readDate(claims, 'nbf')
  if (exp !== undefined && exp <= now - clockToleranceSeconds) throw sessionInvalid('expired')
  if (nbf !== undefined && nbf > now + clockToleranceSeconds) throw sessionInvalid('claim_nbf')
  return exp === undefined ? undefined : toMonotonic(exp)
}

function readDate(claims: Claims, name: 'exp' | 'nbf'): number | undefined {
  const value = claims[name] ?? undefined
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isFinite(value)) throw sessionInvalid(`claim_${name}`)
  return value
}
