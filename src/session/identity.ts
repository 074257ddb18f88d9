import { createHmac } from 'node:crypto'
import { Problem } from '../problems.ts'
import { findClaim, type VerifiedClaims } from './claims.ts'
import { judgeEmail, type EmailPolicy, type EmailVerdict } from './email.ts'
import {
  identifiersOfEmail,
  judgeIdentifiers,
  type Identifier,
  type IdentifiersVerdict,
} from './identifiers.ts'

/**
 * A signed-in user. `subject` is a keyed hash of issuer and user id. Of the claims, it keeps what a
 * configured door reads, resolved: a whole ID token of each of 50,000 users would not fit in memory.
 */
export interface Session {
  credentialHash: string
  mode: string
  subject: string
  email: EmailVerdict
  /** What Access Key Embed tells the vendor, if it is configured. */
  identifiers?: IdentifiersVerdict
  expiresAt?: number
}

export interface IdentityPolicy extends EmailPolicy {
  /** The claims that may hold the stable user id: the first that is present decides. */
  subjectClaims: readonly string[]
  subjectKey: string
  /** The user identifiers of Access Key Embed, if it is configured. */
  identifiers?: readonly Identifier[]
}

/** Where to look for the user. */
export type ClaimNames = Pick<IdentityPolicy, 'emailClaims' | 'subjectClaims' | 'identifiers'>

/** All claims that a configured door reads, by name. */
export function claimsOf({ emailClaims, subjectClaims, identifiers = [] }: ClaimNames): string[] {
  return [...emailClaims, ...subjectClaims, ...identifiers.map(({ claim }) => claim)]
}

export type Identify = (verified: VerifiedClaims, mode: string, credentialHash: string) => Session

/** The length of the hash: 128 bits, which are 22 characters in base64url. */
const subjectBytes = 16

/** Turns verified claims into a session. Throws 403 if the claims have neither a user id nor an email. */
export function createIdentify(policy: IdentityPolicy): Identify {
  return (verified, mode, credentialHash) => {
    const { issuer = mode, expiresAt } = verified
    const email = judgeEmail(verified, policy)
    const identifiers = policy.identifiers && judgeIdentifiers(verified, policy.identifiers, policy)
    const userId = readUserId(verified, policy)
    // Of different lengths: an email that stands for the user id must not be taken for the user id of another
    // user.
    const user = userId === undefined ? [issuer, 'email', requireEmail({ email })] : [issuer, userId]
    const subject = createHmac('sha256', policy.subjectKey)
      .update(JSON.stringify(user))
      .digest()
      .toString('base64url', 0, subjectBytes)
    return { credentialHash, mode, subject, email, identifiers, expiresAt }
  }
}

/** Whether the claims name a user: by an email, valid or not, or by a user id. */
export function namesUser(verified: VerifiedClaims, policy: ClaimNames): boolean {
  return findClaim(verified, policy.emailClaims) !== undefined || readUserId(verified, policy) !== undefined
}

/** A session for an email that the operator chose, such as a test user's. No request ever has it. */
export function sessionOfEmail(address: string, policy: Omit<ClaimNames, 'subjectClaims'>): Session {
  const identifiers = policy.identifiers && identifiersOfEmail(address, policy.identifiers, policy)
  return { credentialHash: '', mode: 'operator', subject: 'operator', email: address, identifiers }
}

/** The session's email, for a door that needs it. Throws 403 if there is no usable one. */
export function requireEmail({ email }: Pick<Session, 'email'>): string {
  if (typeof email === 'string') return email
  throw new Problem(email.refusal, { diagnosis: { outcome: email.outcome } })
}

/** A string or a whole number. Anything else counts as absent, and the email is used instead. */
function readUserId(verified: VerifiedClaims, { subjectClaims }: ClaimNames): string | undefined {
  const value = findClaim(verified, subjectClaims)?.value
  if (typeof value === 'string' && value !== '') return value
  return Number.isSafeInteger(value) ? String(value) : undefined
}
