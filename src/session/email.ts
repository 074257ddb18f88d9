import { domainToASCII } from 'node:url'
import type { OutcomeOf } from '../outcomes.ts'
import { findClaim, readOwn, type FoundClaim, type VerifiedClaims } from './claims.ts'

export interface EmailPolicy {
  /** The claims that may hold the email: the first that is present decides. */
  emailClaims: readonly string[]
  /**
   * Whether `email_verified` must say yes. Undefined: it must not say anything else. False: it is not
   * checked.
   */
  requireVerifiedEmail?: boolean
  /** Lower-case ASCII domains; empty allows any. */
  emailDomains: ReadonlySet<string>
}

/** A plain address as the session source gave it, or the refusal for a door that needs one. */
export type EmailVerdict = string | Refusal

/** Why a claim is not usable: the problem's code, and for the log what is wrong with it. */
export interface Refusal {
  refusal: EmailRefusal
  outcome?: OutcomeOf<'identity_unusable'>
}

type EmailRefusal = 'identity_unusable' | 'email_unverified' | 'email_domain_not_allowed'

/** An email is used as it is or refused, never repaired. */
export function judgeEmail(
  verified: VerifiedClaims,
  policy: EmailPolicy,
  claims: readonly string[] = policy.emailClaims,
): EmailVerdict {
  const found = findClaim(verified, claims)
  const address = found?.value
  if (typeof address !== 'string' || !isPlainEmail(address))
    return { refusal: 'identity_unusable', outcome: nameFault(address) }
  if (!isVerified(found!, verified, policy)) return { refusal: 'email_unverified' }
  if (policy.emailDomains.size > 0 && !policy.emailDomains.has(domainOf(address)))
    return { refusal: 'email_domain_not_allowed' }
  return address
}

/** Why a value is no single plain address, for the log. */
function nameFault(value: unknown): OutcomeOf<'identity_unusable'> {
  if (value === undefined) return 'email_missing'
  if (Array.isArray(value)) return 'email_list'
  if (typeof value !== 'string') return 'email_not_plain'
  if (/@.*[,;\s].*@/s.test(value)) return 'email_list'
  return /[^\p{ASCII}]/u.test(value) ? 'email_not_ascii' : 'email_not_plain'
}

const label = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?'
const plainEmail = new RegExp(`^[A-Za-z0-9.!#$%&'*+/=?^_\`{|}~-]+@${label}(?:\\.${label})*$`)

/**
 * WHATWG's grammar of a valid email address, within RFC 5321's 254 characters: ASCII, one `@`, nothing to
 * quote.
 */
export function isPlainEmail(email: string): boolean {
  return email.length >= 3 && email.length <= 254 && plainEmail.test(email)
}

function domainOf(email: string): string {
  return domainToASCII(email.slice(email.lastIndexOf('@') + 1).toLowerCase())
}

/**
 * `email_verified` (OpenID Connect Core §5.1) applies to the claim `email` next to it. Apple and Cognito send
 * it as a string. At the top level, it also applies to a nested `email` that has none of its own.
 */
function isVerified(found: FoundClaim, { claims }: VerifiedClaims, policy: EmailPolicy): boolean {
  if (policy.requireVerifiedEmail === false) return true
  const said = found.key === 'email' ? readVerified(found.holder, claims) : undefined
  if (said === undefined) return policy.requireVerifiedEmail !== true
  return said === true || said === 'true'
}

function readVerified(holder: unknown, claims: VerifiedClaims['claims']): unknown {
  const beside = readOwn(holder, 'email_verified')
  if (beside !== undefined || readOwn(claims, 'email') !== undefined) return beside
  return readOwn(claims, 'email_verified')
}
