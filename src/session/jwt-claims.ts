import type { JWTPayload } from 'jose'
import { clockToleranceSeconds } from '../lib/clock.ts'
import { sessionInvalid } from './credential.ts'

/** For whom a token may have been issued. */
export interface PartyRules {
  /**
   * The `azp` claim must be one of them, if any is named: for providers whose session tokens have no
   * audience.
   */
  authorizedParties?: readonly string[]
  /** Whether a session cookie without `azp` passes: Clerk omits it from a token for a page load. */
  authorizedPartyOptional?: boolean
}

/** Checks what jose leaves out: it accepts a token without `exp`, and one with an `iat` in the future. */
export function requireClaims(claims: JWTPayload, rules: PartyRules, fromCookie: boolean): void {
  const { iat, exp } = claims
  if (!Number.isFinite(exp)) throw sessionInvalid('claim_exp')
  const latest = Date.now() / 1000 + clockToleranceSeconds
  if (iat !== undefined && iat > latest) throw sessionInvalid('claim_iat')
  if (!hasAuthorizedParty(claims, rules, fromCookie)) throw sessionInvalid('claim_azp')
}

/**
 * Without `azp`, only Clerk's session cookie passes: other tokens of the provider may be meant for another
 * app.
 */
function hasAuthorizedParty({ azp, sid, aud }: JWTPayload, rules: PartyRules, fromCookie: boolean): boolean {
  const { authorizedParties = [], authorizedPartyOptional = false } = rules
  if (authorizedParties.length === 0) return true
  if (azp !== undefined) return typeof azp === 'string' && authorizedParties.includes(azp)
  const isSessionCookie = fromCookie && typeof sid === 'string' && sid !== '' && aud === undefined
  return authorizedPartyOptional && isSessionCookie
}
