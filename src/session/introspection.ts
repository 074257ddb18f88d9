import { hash } from 'node:crypto'
import { clockToleranceSeconds, toMonotonic } from '../lib/clock.ts'
import type { OutboundAnswer } from '../outbound/exchange.ts'
import { isRecord } from '../lib/json.ts'
import type { Problem } from '../problems.ts'
import { cookieNames, createTokenSource, sessionInvalid, sourceUnavailable } from './credential.ts'
import type { Claims, VerifiedClaims } from './claims.ts'
import { nameEndpoint } from './discovery.ts'
import { parseSourceJson } from './ask-source.ts'
import { createAsk, type AskOptions, type IntrospectionClient } from './introspection-request.ts'
import type { SessionVerifier } from './verifier.ts'

export interface IntrospectionSettings extends IntrospectionClient {
  /** Where the token is: `bearer`, `cookie:NAME`, `header:NAME`. */
  source: readonly string[]
  /** The token must be for one of them, if any is named. */
  audiences?: readonly string[]
}

export interface IntrospectionVerifierOptions extends IntrospectionSettings, AskOptions {
  rememberMs: number
}

/** Verifies sessions that are a token by asking the authorization server about it (RFC 7662). */
export function createIntrospectionVerifier(options: IntrospectionVerifierOptions): SessionVerifier {
  const { source, endpoint, clientId, clientSecrets, audiences = [], rememberMs } = options
  const findToken = createTokenSource(source)
  const ask = createAsk(options)
  const issuer = 'issuer' in endpoint ? endpoint.issuer : undefined
  const secretsHash = hash('sha256', JSON.stringify(clientSecrets), 'base64url')
  return {
    mode: 'introspection',
    id: JSON.stringify([nameEndpoint(endpoint), clientId, secretsHash, audiences]),
    rememberMs,
    remote: true,
    cookies: cookieNames(source),
    readCredential: (request) => findToken(request)?.token,
    verify: async (token, signal, _circumstances, traceparent) =>
      readAnswer(await ask(token, signal, traceparent), { issuer, audiences }),
  }
}

interface Expected {
  /** If the answer names an issuer, it must be this one. */
  issuer?: string
  audiences: readonly string[]
}

function readAnswer(answer: OutboundAnswer, { issuer, audiences }: Expected): VerifiedClaims {
  const { status, body } = answer
  if (status !== 200) throw readRefusal(status, body)
  if (isSigned(answer)) throw sourceUnavailable('answer_is_jwt')
  const claims = parseSourceJson(body)
  if (!isRecord(claims) || claims.active !== true) throw sessionInvalid('inactive')
  const expiresAt = requireLifetime(claims)
  if (!isFor(claims.aud, audiences)) throw sessionInvalid('claim_aud')
  const iss = claims.iss ?? undefined
  if (issuer !== undefined && iss !== undefined && iss !== issuer) throw sessionInvalid('claim_iss')
  return { claims, issuer: typeof iss === 'string' ? iss : undefined, expiresAt }
}

/**
 * A server answers with a JWT (RFC 9701) if the client is registered for it, or if it supports nothing else.
 */
function isSigned({ headers, body }: OutboundAnswer): boolean {
  return (
    String(headers['content-type']).includes('introspection+jwt') ||
    /^\s*[\w-]+(\.[\w-]*){2,4}\s*$/.test(body)
  )
}

function isFor(aud: unknown, audiences: readonly string[]): boolean {
  if (audiences.length === 0) return true
  const named: unknown[] = Array.isArray(aud) ? aud : [aud]
  return named.some((one) => typeof one === 'string' && audiences.includes(one))
}

/**
 * That the server refuses our own credentials says nothing about the user's: it is an outage, which an
 * operator must end. Some servers answer 400 for a token of a kind that they do not introspect (RFC 7009
 * §2.2.1): that is a verdict.
 */
function readRefusal(status: number, body: string): Problem {
  if (status === 400 && body.includes('"unsupported_token_type"'))
    return sessionInvalid('unsupported_token_type')
  const clientRefused = status === 400 || status === 401 || status === 403
  return sourceUnavailable(clientRefused ? 'client_refused' : `answer_status_${status}`)
}

/** Both dates are optional here (RFC 7662 §2.2); some servers send null for an absent one. */
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
