import { createHmac } from 'node:crypto'
import { domainToASCII } from 'node:url'
import { isRecord } from '../lib/json.ts'
import { Problem } from '../problems.ts'

export type Claims = Record<string, unknown>

/** What a session source vouches for. `expiresAt` is in milliseconds on the monotonic clock. */
export interface VerifiedClaims {
  claims: Claims
  issuer?: string
  expiresAt?: number
}

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

/** The email as the session source gave it, or the refusal for a door that needs one. */
export type EmailVerdict = { address: string } | { refusal: EmailRefusal; outcome?: string }

type EmailRefusal = 'identity_unusable' | 'email_unverified' | 'email_domain_not_allowed'

export interface IdentityPolicy {
  emailClaim: string
  subjectClaim: string
  requireVerifiedEmail: boolean
  /** Lower-case ASCII domains; empty allows any. */
  emailDomains: ReadonlySet<string>
  subjectKey: string
}

export type Identify = (verified: VerifiedClaims, mode: string, credentialHash: string) => Session

/** Of the hash: 128 bits, which base64url spells in 22 characters. */
const subjectBytes = 16

/** Turns verified claims into a session. A session source that names neither user id nor email names nobody: 403. */
export function createIdentify(policy: IdentityPolicy): Identify {
  return ({ claims, issuer, expiresAt }, mode, credentialHash) => {
    const email = judgeEmail(claims, policy)
    const userId = readUserId(claims, policy.subjectClaim) ?? requireEmail({ email })
    const user = JSON.stringify([issuer ?? mode, userId])
    const subject = createHmac('sha256', policy.subjectKey)
      .update(user)
      .digest()
      .toString('base64url', 0, subjectBytes)
    return { credentialHash, mode, subject, email, expiresAt }
  }
}

/** The session's email, for a door that signs users in by it. Throws 403 where there is no usable one. */
export function requireEmail({ email }: Pick<Session, 'email'>): string {
  if ('address' in email) return email.address
  throw new Problem(email.refusal, { diagnosis: { outcome: email.outcome } })
}

/** An email is used as it is or refused, never repaired. */
function judgeEmail(claims: Claims, policy: IdentityPolicy): EmailVerdict {
  const { parent, value: email } = findClaim(claims, policy.emailClaim)
  if (typeof email !== 'string') return { refusal: 'identity_unusable', outcome: 'email_missing' }
  if (!isPlainEmail(email)) return { refusal: 'identity_unusable', outcome: 'email_not_plain' }
  if (policy.requireVerifiedEmail && readVerified(parent, claims) !== true)
    return { refusal: 'email_unverified' }
  if (policy.emailDomains.size > 0 && !policy.emailDomains.has(domainOf(email)))
    return { refusal: 'email_domain_not_allowed' }
  return { address: email }
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

/** The issuer says it beside the email where it says it there, else at the top. */
function readVerified(parent: Claims, claims: Claims): unknown {
  return Object.hasOwn(parent, 'email_verified') ? parent.email_verified : own(claims, 'email_verified')
}

function readUserId(claims: Claims, name: string): string | undefined {
  const { value } = findClaim(claims, name)
  if (typeof value === 'string' && value !== '') return value
  return Number.isSafeInteger(value) ? String(value) : undefined
}

/** An own property of exactly this name (Auth0's are URLs), else a dotted path of own properties. */
function findClaim(claims: Claims, name: string): { parent: Claims; value: unknown } {
  if (Object.hasOwn(claims, name)) return { parent: claims, value: claims[name] }
  const path = name.split('.')
  const last = path.pop() ?? name
  let parent = claims
  for (const key of path) {
    const next = own(parent, key)
    parent = isRecord(next) ? next : {}
  }
  return { parent, value: own(parent, last) }
}

function own(record: Claims, key: string): unknown {
  return Object.hasOwn(record, key) ? record[key] : undefined
}
