import { hash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { JWTPayload } from 'jose'
import { toMonotonic } from '../lib/clock.ts'
import type { HttpClient } from '../outbound/client.ts'
import { cookieNames, createTokenSource } from './credential.ts'
import type { VerifiedClaims } from './claims.ts'
import { createLocator, nameEndpoint, type Endpoint } from './discovery.ts'
import { createJwks } from './jwks.ts'
import { findAlgorithmsFault, importPublicKey, importSecret } from './jwt-key.ts'
import { verifyByKeySet } from './jwt-key-set.ts'
import {
  createTokenCheck,
  refuseToken,
  type PlacedToken,
  type TokenRules,
  type VerificationKey,
} from './jwt-token.ts'
import type { SessionVerifier } from './verifier.ts'

export interface JwtSettings extends TokenRules {
  /** Where the token is: `bearer`, `cookie:NAME`, `header:NAME`. */
  source: readonly string[]
  key: JwtKey
}

export interface JwtVerifierOptions extends JwtSettings {
  client: HttpClient
  /** The deadline for one fetch of the key set. */
  timeoutMs: number
  rememberMs: number
  /** Hosts that may be asked by plain http. */
  httpHosts?: readonly string[]
}

/** Of several public keys or secrets, any verifies: during a rotation there are two. */
type JwtKey =
  | { jwksUrl: URL }
  /** The keys that the issuer's discovery document names. */
  | { discovery: string }
  | { publicKeys: readonly string[] }
  | { secrets: readonly string[] }

/** Verifies sessions that are a signed JWT (RFC 7519, RFC 8725). Throws for an unusable key or algorithm. */
export function createJwtVerifier(options: JwtVerifierOptions): SessionVerifier {
  const verify = createVerify(options)
  return {
    mode: 'jwt',
    id: nameVerifier(options),
    rememberMs: options.rememberMs,
    remote: false,
    cookies: cookieNames(options.source),
    readCredential: createPlacedReader(options.source),
    verify: async (credential) => toVerified(await verify(parsePlaced(credential))),
  }
}

/**
 * The credential includes where the token was, because a rule depends on it. One token in two places is two
 * credentials.
 */
function createPlacedReader(source: readonly string[]): (request: IncomingMessage) => string | undefined {
  const read = createTokenSource(source)
  return (request) => {
    const found = read(request)
    if (found === undefined) return undefined
    return `${found.entry.startsWith('cookie:') ? 'cookie' : 'elsewhere'} ${found.token}`
  }
}

function parsePlaced(credential: string): PlacedToken {
  const space = credential.indexOf(' ')
  return { text: credential.slice(space + 1), fromCookie: credential.slice(0, space) === 'cookie' }
}

function createVerify(options: JwtVerifierOptions): (token: PlacedToken) => Promise<JWTPayload> {
  const { key, client, timeoutMs, algorithms } = options
  const fault = findAlgorithmsFault(algorithms, 'secrets' in key)
  if (fault !== undefined) throw new TypeError(`The algorithms of jwt sessions ${fault}`)
  const check = createTokenCheck(options)
  const endpoint = endpointOf(key)
  if (endpoint !== undefined) {
    const locate = createLocator(endpoint, 'jwks_uri', options)
    const jwks = createJwks({ client, locate, timeoutMs })
    return (token) => verifyByKeySet(token, jwks, check)
  }
  const imported = importKeys(key as FixedKey, algorithms)
  return async (token) => {
    try {
      return await check.verify(token, await imported)
    } catch (error) {
      throw refuseToken(error)
    }
  }
}

type FixedKey = Extract<JwtKey, { publicKeys: unknown } | { secrets: unknown }>

/** Where the keys are published, if they are. */
function endpointOf(key: JwtKey): Endpoint | undefined {
  if ('jwksUrl' in key) return { url: key.jwksUrl }
  return 'discovery' in key ? { issuer: key.discovery } : undefined
}

/** Imports all keys at once, so that an unusable one is an error at start. */
function importKeys(key: FixedKey, algorithms: readonly string[]): Promise<VerificationKey[]> {
  if ('secrets' in key) return Promise.all(key.secrets.map(importSecret))
  return Promise.resolve(key.publicKeys.map((pem) => importPublicKey(pem, algorithms)))
}

function nameVerifier(options: JwtVerifierOptions): string {
  const { key, issuer, audiences, authorizedParties, authorizedPartyOptional, algorithms } = options
  const endpoint = endpointOf(key)
  const keyName = endpoint ? nameEndpoint(endpoint) : hash('sha256', JSON.stringify(key), 'base64url')
  return JSON.stringify([keyName, issuer, audiences, authorizedParties, authorizedPartyOptional, algorithms])
}

function toVerified(claims: JWTPayload): VerifiedClaims {
  const issuer = typeof claims.iss === 'string' ? claims.iss : undefined
  return { claims, issuer, expiresAt: toMonotonic(Number(claims.exp)) }
}
