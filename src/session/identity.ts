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

/** A signed-in user: `email` as the source gave it, `subject` a keyed hash of issuer and user id. */
export interface Session {
  credentialHash: string
  mode: string
  email: string
  subject: string
  expiresAt?: number
}

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

/** Turns verified claims into a session, or refuses them with a 403: an email is never repaired. */
export function createIdentify(policy: IdentityPolicy): Identify {
  return ({ claims, issuer, expiresAt }, mode, credentialHash) => {
    const email = requireEmail(claims, policy)
    const userId = readUserId(claims, policy.subjectClaim) ?? email
    const user = JSON.stringify([issuer ?? mode, userId])
    const subject = createHmac('sha256', policy.subjectKey)
      .update(user)
      .digest()
      .toString('base64url', 0, subjectBytes)
    return { credentialHash, mode, email, subject, expiresAt }
  }
}

function requireEmail(claims: Claims, policy: IdentityPolicy): string {
  const { parent, value: email } = findClaim(claims, policy.emailClaim)
  if (typeof email !== 'string') throw unusable('email_missing')
  if (!isPlainEmail(email)) throw unusable('email_not_plain')
  if (policy.requireVerifiedEmail && readVerified(parent, claims) !== true)
    throw new Problem('email_unverified')
  if (policy.emailDomains.size > 0 && !policy.emailDomains.has(domainOf(email))) {
    throw new Problem('email_domain_not_allowed')
  }
  return email
}

/** `outcome` is for the log: nothing at the configured place, or no single plain address. */
function unusable(outcome: 'email_missing' | 'email_not_plain'): Problem {
  return new Problem('identity_unusable', { diagnosis: { outcome } })
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
