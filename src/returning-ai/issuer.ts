import type { Session } from '../session/identity.ts'

/** A token as the vendor gave it. `expiresAt` is in whole milliseconds on the monotonic clock; absent when unknown. */
export interface IssuedToken {
  token: string
  expiresAt?: number
  vendorMs: number
  attempts: number
  keyId: string
}

/** One way to a vendor token: a door of the vendor with one key ring. */
export interface TokenIssuer {
  /** Different for each door and key ring. */
  name: string
  door: 'signin' | 'access_key'
  /** Who the vendor will be told that the user is. Throws 403 for a session without the claims that this door needs. */
  userOf: (session: Session) => string
  /** Throws where `issue` would be refused before it reaches the vendor. */
  check(session: Session): void
  /** Resolves to a new token; rejects with the `Problem` of whatever is not a usable one. */
  issue(session: Session, signal: AbortSignal): Promise<IssuedToken>
}
