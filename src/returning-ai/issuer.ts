import type { Session } from '../session/identity.ts'

/**
 * A token from the vendor. `expiresAt` is in whole milliseconds on the monotonic clock, absent if unknown.
 */
export interface IssuedToken {
  token: string
  expiresAt?: number
  vendorMs: number
  attempts: number
  keyId: string
}

/** One way to a vendor token: a door of the vendor with one key ring. */
export interface TokenIssuer {
  /** Different for each door and key ring: part of the key under which a token is kept. */
  name: string
  door: 'signin' | 'access_key'
  /**
   * How this door identifies the user to the vendor. Throws 403 for a session without the claims that it
   * needs.
   */
  userOf: (session: Session) => string
  /** Whether the key is still in use. A change of its file may withdraw it. */
  hasKey(keyId: string): boolean
  /** Throws if `issue` would be refused before it reaches the vendor. */
  check(session: Session): void
  /** Resolves to a new token. Rejects with a `Problem` if the vendor sends no usable one. */
  issue(session: Session, signal: AbortSignal): Promise<IssuedToken>
}
