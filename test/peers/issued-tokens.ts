import { nowSeconds, type Algorithm } from './token.ts'

type Claims = Record<string, unknown>

interface Refusal {
  what: string
  /** How the claims differ from those of a good token; one that is undefined is absent. */
  changes: Claims
  /** As the log has it. */
  refusal: { code: string; outcome?: string }
}

/** What a hosted provider puts into the token of its signed-in user, and tokens that must not pass for one. */
export interface Issued {
  claims: Claims
  /** Other tokens of that user, by how their claims differ. */
  alsoGood?: Record<string, Claims>
  /** The same user with a new email, and with a new name where that is in the token. */
  renamed: Claims
  refused: Refusal[]
  /** The path of the keys, for a provider without a discovery document at its issuer. */
  jwksPath?: string
  /** RS256 unless said otherwise. */
  algorithm?: Algorithm
}

export const email = 'ada@example.com'
export const newEmail = 'ada.king@example.com'
export const otherId = '5f2b8c1e-7d54-4f7e-9a43-1f5f0a6b7c8d'

export const invalid = (claim: string, what: string, changes: Claims): Refusal => ({
  what,
  changes,
  refusal: { code: 'session_invalid', outcome: `claim_${claim}` },
})
export const unusable = (what: string, changes: Claims, outcome = 'email_missing'): Refusal => ({
  what,
  changes,
  refusal: { code: 'identity_unusable', outcome },
})
const unverifiedEmail = (what: string, value?: boolean): Refusal => ({
  what,
  changes: { email_verified: value },
  refusal: { code: 'email_unverified' },
})

/** For a provider that always says whether the email is verified. */
export const unverified: Refusal[] = [
  unverifiedEmail('an email that is not verified', false),
  unverifiedEmail('a token that does not say whether the email is verified'),
]

/** The claims as the provider would sign them now. */
export function completeClaims(issuer: string, claims: Claims): Claims {
  return { iss: issuer, iat: nowSeconds(), exp: nowSeconds() + 300, ...claims }
}
