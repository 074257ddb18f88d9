import { Problem } from '../problems.ts'
import { findClaim, type VerifiedClaims } from './claims.ts'
import { judgeEmail, type EmailPolicy, type Refusal } from './email.ts'

/**
 * A user identifier of the vendor's Access Key Embed: its name there, and the claim of the session that holds
 * it.
 */
export interface Identifier {
  name: string
  claim: string
}

export type Identifiers = Readonly<Record<string, string>>

/** Every configured identifier by its name, or the refusal for a door that needs them. */
export type IdentifiersVerdict = { values: Identifiers } | (Refusal & { claim: string })

const visible = /^[\x21-\x7e]{1,254}$/

/**
 * Reads the identifiers that are configured. The first that is not usable refuses them all: the vendor would
 * know another user.
 */
export function judgeIdentifiers(
  verified: VerifiedClaims,
  identifiers: readonly Identifier[],
  policy: EmailPolicy,
): IdentifiersVerdict {
  const values: Record<string, string> = {}
  for (const { name, claim } of identifiers) {
    const value = isEmail({ name, claim }, policy)
      ? judgeEmail(verified, policy, [claim])
      : judgeValue(verified, claim)
    if (typeof value !== 'string') return { ...value, claim }
    values[name] = value
  }
  return { values }
}

/** The same for a user whose email alone is known. */
export function identifiersOfEmail(
  email: string,
  identifiers: readonly Identifier[],
  policy: Pick<EmailPolicy, 'emailClaims'>,
): IdentifiersVerdict {
  const other = identifiers.find((one) => !isEmail(one, policy))
  if (other === undefined) return { values: Object.fromEntries(identifiers.map(({ name }) => [name, email])) }
  return { refusal: 'identity_unusable', outcome: 'identifier_missing', claim: other.claim }
}

function isEmail({ name, claim }: Identifier, { emailClaims }: Pick<EmailPolicy, 'emailClaims'>): boolean {
  return name === 'data-email' || emailClaims.includes(claim)
}

/** Throws 403 if the session lacks an identifier; only the log names it. */
export function requireIdentifiers(verdict: IdentifiersVerdict | undefined): Identifiers {
  if (verdict === undefined) throw new Problem('identity_unusable')
  if ('values' in verdict) return verdict.values
  const { refusal, outcome, claim } = verdict
  throw new Problem(refusal, { diagnosis: { outcome, claim } })
}

function judgeValue(verified: VerifiedClaims, claim: string): string | Refusal {
  const value = findClaim(verified, [claim])?.value
  if (typeof value === 'string' && visible.test(value)) return value
  if (Number.isSafeInteger(value)) return String(value)
  const outcome = value === undefined ? 'identifier_missing' : 'identifier_not_plain'
  return { refusal: 'identity_unusable', outcome }
}
