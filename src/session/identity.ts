import { createHmac } from 'node:crypto'
import { domainToASCII } from 'node:url'
import { Problem } from '../problems.ts'
import { findClaim, readOwn, type FoundClaim, type VerifiedClaims } from './claims.ts'

/**
 * A signed-in user. `subject` is a keyed hash of issuer and user id. Of the claims, it keeps what a configured door reads, resolved:
 * a whole ID token of each of 50,000 users would not fit in memory.
 */
export interface Session {
  credentialHash: string
  mode: string
  subject: string
  email: EmailVerdict
  expiresAt?: number
}

/** A plain address as the session source gave it, or the refusal for a door that needs one. */
type EmailVerdict = string | { refusal: EmailRefusal; outcome?: EmailFault }

type EmailFault = 'email_missing' | 'email_list' | 'email_not_ascii' | 'email_not_plain'

type EmailRefusal = 'identity_unusable' | 'email_unverified' | 'email_domain_not_allowed'

export interface IdentityPolicy {
  /** The claims that may hold the email: the first that is present decides. */
  emailClaims: readonly string[]
  /** Likewise, the stable user id. */
  subjectClaims: readonly string[]
  /** Whether `email_verified` must say yes. Undefined: it must not say anything else. False: it is not looked at. */
  requireVerifiedEmail?: boolean
  /** Lower-case ASCII domains; empty allows any. */
  emailDomains: ReadonlySet<string>
  subjectKey: string
}

/** Where to look for the user. */
export type ClaimNames = Pick<IdentityPolicy, 'emailClaims' | 'subjectClaims'>

export type Identify = (verified: VerifiedClaims, mode: string, credentialHash: string) => Session

/** Of the hash: 128 bits, which base64url spells in 22 characters. */
const subjectBytes = 16

/** Turns verified claims into a session. A session source that names neither user id nor email names nobody: 403. */
export function createIdentify(policy: IdentityPolicy): Identify {
  return (verified, mode, credentialHash) => {
    const { issuer = mode, expiresAt } = verified
    const email = judgeEmail(verified, policy)
    const userId = readUserId(verified, policy)
    // Of different lengths: an email that stands for the user id must not be taken for the user id of another user.
    const user = userId === undefined ? [issuer, 'email', requireEmail({ email })] : [issuer, userId]
    const subject = createHmac('sha256', policy.subjectKey)
      .update(JSON.stringify(user))
      .digest()
      .toString('base64url', 0, subjectBytes)
    return { credentialHash, mode, subject, email, expiresAt }
  }
}

/** Whether the claims name anybody: by an email, of whatever quality, or a user id. */
export function namesUser(verified: VerifiedClaims, policy: ClaimNames): boolean {
  return findClaim(verified, policy.emailClaims) !== undefined || readUserId(verified, policy) !== undefined
}

/** A session for an email that an operator vouches for, such as a test user's: no request ever has it. */
export function sessionOfEmail(address: string): Session {
  return { credentialHash: '', mode: 'operator', subject: 'operator', email: address }
}

/** The session's email, for a door that signs users in by it. Throws 403 where there is no usable one. */
export function requireEmail({ email }: Pick<Session, 'email'>): string {
  if (typeof email === 'string') return email
  throw new Problem(email.refusal, { diagnosis: { outcome: email.outcome } })
}

/** An email is used as it is or refused, never repaired. */
function judgeEmail(verified: VerifiedClaims, policy: IdentityPolicy): EmailVerdict {
  const found = findClaim(verified, policy.emailClaims)
  const address = found?.value
  if (typeof address !== 'string' || !isPlainEmail(address))
    return { refusal: 'identity_unusable', outcome: nameFault(address) }
  if (!isVerified(found!, verified, policy)) return { refusal: 'email_unverified' }
  if (policy.emailDomains.size > 0 && !policy.emailDomains.has(domainOf(address)))
    return { refusal: 'email_domain_not_allowed' }
  return address
}

/** Why a value is no single plain address, for the log. */
function nameFault(value: unknown): EmailFault {
  if (value === undefined) return 'email_missing'
  if (Array.isArray(value)) return 'email_list'
  if (typeof value !== 'string') return 'email_not_plain'
  if (/@.*[,;\s].*@/s.test(value)) return 'email_list'
  return /[^\p{ASCII}]/u.test(value) ? 'email_not_ascii' : 'email_not_plain'
}

const label = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?'
const plainEmail = new RegExp(`^[A-Za-z0-9.!#$%&'*+/=?^_\`{|}~-]+@${label}(?:\\.${label})*$`)

/** WHATWG's grammar of a valid email address, within RFC 5321's 254 characters: ASCII, one `@`, nothing to quote. */
export function isPlainEmail(email: string): boolean {
  return email.length >= 3 && email.length <= 254 && plainEmail.test(email)
}

function domainOf(email: string): string {
  return domainToASCII(email.slice(email.lastIndexOf('@') + 1).toLowerCase())
}

/**
 * `email_verified` (OpenID Connect Core §5.1) speaks for the claim `email` beside it. Apple and Cognito send it as a string. At the top,
 * it also speaks for an `email` further down, where it has none of its own.
 */
function isVerified(found: FoundClaim, { claims }: VerifiedClaims, policy: IdentityPolicy): boolean {
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

/** A string or a whole number. What is neither is none, so that the email stands for it. */
function readUserId(verified: VerifiedClaims, { subjectClaims }: ClaimNames): string | undefined {
  const value = findClaim(verified, subjectClaims)?.value
  if (typeof value === 'string' && value !== '') return value
  return Number.isSafeInteger(value) ? String(value) : undefined
}
