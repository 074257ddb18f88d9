import type { CryptoKey, JWTPayload, JWTVerifyOptions, KeyObject } from 'jose'
import {
  JOSEError,
  JWKSMultipleMatchingKeys,
  JWSSignatureVerificationFailed,
  JWTClaimValidationFailed,
} from 'jose/errors'
import { UnsecuredJWT } from 'jose/jwt/unsecured'
import { jwtVerify } from 'jose/jwt/verify'
import { clockToleranceSeconds } from '../lib/clock.ts'
import { isRecord, parseJson } from '../lib/json.ts'
import type { OutcomeOf } from '../outcomes.ts'
import { Problem } from '../problems.ts'
import { sessionInvalid } from './credential.ts'
import type { FindKey } from './jwks.ts'
import { requireClaims, type PartyRules } from './jwt-claims.ts'

/** What a token must contain to be a session here. */
export interface TokenRules extends PartyRules {
  issuer?: string
  /** The token must be for one of these, if there are any. */
  audiences?: readonly string[]
  algorithms: readonly string[]
}

export interface PlacedToken {
  text: string
  fromCookie: boolean
}

export type VerificationKey = CryptoKey | KeyObject

export interface TokenCheck {
  /**
   * Resolves to the claims of a valid token. Rejects with an error of jose or a `Problem`; see `refuseToken`.
   */
  verify(token: PlacedToken, keys: FindKey | readonly VerificationKey[]): Promise<JWTPayload>
  /** The refusal of a token whose unverified content is already unacceptable. */
  findUnverifiedFault(token: PlacedToken): Problem | undefined
}

const maxKeysTried = 4

/**
 * Makes the check of a token. jose checks the signature and the configured claims. The rest is stricter than
 * jose, which accepts several encodings of one signature, and a token without `exp`.
 */
export function createTokenCheck(rules: TokenRules): TokenCheck {
  const options: JWTVerifyOptions = {
    algorithms: withFullySpecified(rules.algorithms),
    issuer: rules.issuer,
    audience: rules.audiences?.length ? [...rules.audiences] : undefined,
    clockTolerance: clockToleranceSeconds,
  }
  return {
    async verify(token, keys) {
      requireForm(token.text)
      const payload = await (typeof keys === 'function'
        ? verifyBySet(token.text, keys, options)
        : verifyByAny(token.text, keys, options))
      requireClaims(payload, rules, token.fromCookie)
      return payload
    },
    findUnverifiedFault({ text, fromCookie }) {
      try {
        requireClaims(readUnverified(text, options), rules, fromCookie)
        return undefined
      } catch (error) {
        return refuseToken(error)
      }
    },
  }
}

/** RFC 9864 §2.2 gives EdDSA's one curve that is in use a name of its own. */
function withFullySpecified(algorithms: readonly string[]): string[] {
  return algorithms.includes('EdDSA') ? [...algorithms, 'Ed25519'] : [...algorithms]
}

/**
 * Allows only one encoding: base64url decoders skip whitespace and ignore the spare bits of the last
 * character.
 */
const canonicalToken = /^[\w-]+\.[\w-]+\.(?:[\w-]{4})*(?:[\w-]{4}|[\w-][AQgw]|[\w-]{2}[AEIMQUYcgkosw048])$/

function requireForm(token: string): void {
  if (!canonicalToken.test(token)) throw sessionInvalid(isEncrypted(token) ? 'token_encrypted' : 'malformed')
}

/** RFC 7516 §9: five parts, the first of which names the content encryption. */
function isEncrypted(token: string): boolean {
  if (!/^[\w-]+(\.[\w-]*){4}$/.test(token)) return false
  const header = parseJson(Buffer.from(token.slice(0, token.indexOf('.')), 'base64url').toString())
  return isRecord(header) && typeof header.enc === 'string'
}

async function verifyBySet(token: string, find: FindKey, options: JWTVerifyOptions): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, find, options)).payload
  } catch (error) {
    if (!(error instanceof JWKSMultipleMatchingKeys)) throw error
    return verifyByAny(token, error, options)
  }
}

type Keys = Iterable<VerificationKey> | AsyncIterable<VerificationKey>

/**
 * Several keys fit if a set lists one twice or reuses a `kid`, if the token names none, and during a
 * rotation.
 */
async function verifyByAny(token: string, keys: Keys, options: JWTVerifyOptions): Promise<JWTPayload> {
  let failure: unknown
  let tried = 0
  for await (const key of keys) {
    try {
      return (await jwtVerify(token, key, options)).payload
    } catch (error) {
      if (isAboutToken(error)) throw error
      if (failure === undefined || error instanceof JWSSignatureVerificationFailed) failure = error
    }
    tried += 1
    if (tried === maxKeysTried) break
  }
  throw failure ?? new JWSSignatureVerificationFailed()
}

/** Any error of jose's except a wrong signature: another key would not change it. */
function isAboutToken(error: unknown): boolean {
  return error instanceof JOSEError && !(error instanceof JWSSignatureVerificationFailed)
}

const unsecuredHeader = Buffer.from('{"alg":"none"}').toString('base64url')

/** jose checks the claims of a verified or of an unsecured token by the same rules. */
function readUnverified(token: string, options: JWTVerifyOptions): JWTPayload {
  return UnsecuredJWT.decode(`${unsecuredHeader}.${token.split('.')[1]}.`, options).payload
}

const outcomes: Record<string, OutcomeOf<'session_invalid'>> = {
  ERR_JWT_EXPIRED: 'expired',
  ERR_JOSE_ALG_NOT_ALLOWED: 'algorithm_not_allowed',
  ERR_JWKS_NO_MATCHING_KEY: 'unknown_key',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'wrong_signature',
}

/** What a failed check means. jose's own error stays here: it holds the claims, email included. */
export function refuseToken(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof JWTClaimValidationFailed) return sessionInvalid(`claim_${error.claim}`)
  if (error instanceof JOSEError) return sessionInvalid(outcomes[error.code] ?? 'malformed')
  // jose and WebCrypto throw their plain errors for a key that cannot serve.
  return sessionInvalid('unusable_key')
}
