import type { CryptoKey, JWTPayload, JWTVerifyOptions, KeyObject } from 'jose'
import { JOSEError, JWTClaimValidationFailed } from 'jose/errors'
import { jwtVerify } from 'jose/jwt/verify'
import { clockToleranceSeconds } from '../lib/clock.ts'
import { Problem } from '../problems.ts'
import { sessionInvalid } from './credential.ts'
import type { FindKey } from './jwks.ts'

/** What a token must hold to be a session here. */
export interface TokenRules {
  issuer?: string
  audience?: string
  /** The `azp` claim, for providers whose session tokens have no audience. */
  authorizedParty?: string
  algorithms: readonly string[]
}

/** Resolves to the claims of a good token; rejects with an error of jose or a `Problem`, see `refuseToken`. */
export type TokenCheck = (token: string, key: CryptoKey | KeyObject | FindKey) => Promise<JWTPayload>

/** jose lets a token pass without `exp`, with an `iat` in the future, and with a signature that is spelled another way. */
export function createTokenCheck({ issuer, audience, authorizedParty, algorithms }: TokenRules): TokenCheck {
  const rules: JWTVerifyOptions = {
    algorithms: [...algorithms],
    issuer,
    audience,
    clockTolerance: clockToleranceSeconds,
  }
  return async (token, key) => {
    if (!canonicalToken.test(token)) throw sessionInvalid('malformed')
    const { payload } = await jwtVerify(token, key, rules)
    requireClaims(payload, authorizedParty)
    return payload
  }
}

/** One token, one spelling: base64url decoders skip whitespace and ignore the spare bits of a signature's last character. */
const canonicalToken = /^[\w-]+\.[\w-]+\.(?:[\w-]{4})*(?:[\w-]{4}|[\w-][AQgw]|[\w-]{2}[AEIMQUYcgkosw048])$/

function requireClaims({ iat, exp, azp }: JWTPayload, authorizedParty: string | undefined): void {
  if (!Number.isFinite(exp)) throw sessionInvalid('claim_exp')
  const latest = Date.now() / 1000 + clockToleranceSeconds
  if (iat !== undefined && iat > latest) throw sessionInvalid('claim_iat')
  if (authorizedParty !== undefined && azp !== authorizedParty) throw sessionInvalid('claim_azp')
}

const outcomes: Record<string, string> = {
  ERR_JWT_EXPIRED: 'expired',
  ERR_JOSE_ALG_NOT_ALLOWED: 'algorithm_not_allowed',
  ERR_JWKS_NO_MATCHING_KEY: 'unknown_key',
  ERR_JWKS_MULTIPLE_MATCHING_KEYS: 'ambiguous_key',
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
