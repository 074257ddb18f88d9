import { hash } from 'node:crypto'
import type { JWTPayload } from 'jose'
import { JWKSNoMatchingKey, JWSSignatureVerificationFailed } from 'jose/errors'
import { toMonotonic } from '../lib/clock.ts'
import type { HttpClient } from '../outbound/client.ts'
import type { SessionVerifier } from './sessions.ts'
import { cookieNames, createCredentialSource } from './credential.ts'
import type { VerifiedClaims } from './claims.ts'
import { createJwks, type FindKey, type Jwks } from './jwks.ts'
import { findAlgorithmsFault, importPublicKey, importSecret } from './jwt-key.ts'
import { createTokenCheck, refuseToken, type TokenCheck, type TokenRules } from './jwt-token.ts'

export interface JwtSettings extends TokenRules {
  /** Where the token is: `bearer`, `cookie:NAME`, `header:NAME`. */
  source: readonly string[]
  key: JwtKey
}

export interface JwtVerifierOptions extends JwtSettings {
  client: HttpClient
  /** Of one fetch of the key set. */
  timeoutMs: number
  rememberMs: number
}

export type JwtKey = { jwksUrl: URL } | { publicKey: string } | { secret: string }

/** Sessions that are a signed JWT (RFC 7519, RFC 8725). Throws for a key or an algorithm that cannot serve. */
export function createJwtVerifier(options: JwtVerifierOptions): SessionVerifier {
  return {
    mode: 'jwt',
    id: nameVerifier(options),
    rememberMs: options.rememberMs,
    remote: false,
    cookies: cookieNames(options.source),
    readCredential: createCredentialSource(options.source),
    verify: createVerify(options),
  }
}

function createVerify(options: JwtVerifierOptions): SessionVerifier['verify'] {
  const { key, client, timeoutMs, algorithms } = options
  const fault = findAlgorithmsFault(algorithms, 'secret' in key)
  if (fault !== undefined) throw new TypeError(`The algorithms of jwt sessions ${fault}`)
  const check = createTokenCheck(options)
  if ('jwksUrl' in key) {
    const jwks = createJwks({ client, url: key.jwksUrl, timeoutMs })
    return async (token) => toVerified(await verifyByKeySet(token, jwks, check))
  }
  const imported = 'secret' in key ? importSecret(key.secret) : importPublicKey(key.publicKey, algorithms)
  return async (token) => {
    try {
      return toVerified(await check(token, await imported))
    } catch (error) {
      throw refuseToken(error)
    }
  }
}

function nameVerifier({ key, issuer, audience, authorizedParty, algorithms }: JwtVerifierOptions): string {
  const keyName = 'jwksUrl' in key ? key.jwksUrl.href : hash('sha256', Object.values(key).join(), 'base64url')
  return JSON.stringify([keyName, issuer, audience, authorizedParty, algorithms])
}

/** Keys are asked for only when the token has the form and the algorithm of a good one, so rubbish costs no fetch. */
async function verifyByKeySet(token: string, jwks: Jwks, check: TokenCheck): Promise<JWTPayload> {
  let known: FindKey | undefined
  const findCurrent: FindKey = async (header, jws) => {
    known = await jwks.current()
    return known(header, jws)
  }
  try {
    return await check(token, findCurrent)
  } catch (error) {
    const newer = known && (await findNewer(known, jwks, error))
    if (newer === undefined) throw refuseToken(error)
    return await check(token, newer).catch((again: unknown) => Promise.reject(refuseToken(again)))
  }
}

/**
 * A rotated key shows as an unknown `kid`, or as a wrong signature where the provider reuses a `kid` or names none.
 * An unknown key while the provider is out of reach is an outage; a wrong signature stays what it is.
 */
async function findNewer(known: FindKey, jwks: Jwks, error: unknown): Promise<FindKey | undefined> {
  if (error instanceof JWKSNoMatchingKey) return jwks.newerThan(known)
  if (!(error instanceof JWSSignatureVerificationFailed)) return undefined
  return jwks.newerThan(known).catch(() => undefined)
}

function toVerified(claims: JWTPayload): VerifiedClaims {
  const issuer = typeof claims.iss === 'string' ? claims.iss : undefined
  return { claims, issuer, expiresAt: toMonotonic(Number(claims.exp)) }
}
