import type { JWTPayload } from 'jose'
import { decodeProtectedHeader } from 'jose/decode/protected_header'
import { JWKSNoMatchingKey, JWSSignatureVerificationFailed, type JOSEError } from 'jose/errors'
import type { FindKey, Jwks, KeySet } from './jwks.ts'
import { refuseToken, type PlacedToken, type TokenCheck } from './jwt-token.ts'

/**
 * Verifies a token by the keys that its provider publishes, and looks for newer ones if none of them fits.
 * Fetches keys only for a token with the form and the algorithm of a valid one: garbage costs no fetch.
 */
export function verifyByKeySet(token: PlacedToken, jwks: Jwks, check: TokenCheck): Promise<JWTPayload> {
  let set: KeySet | undefined

  const findCurrent: FindKey = async (header, jws) => {
    set = await jwks.current()
    return set.value.find(header, jws)
  }

  async function attempt(find: FindKey): Promise<JWTPayload> {
    try {
      return await check.verify(token, find)
    } catch (error) {
      if (!isAboutKey(error) || set === undefined) throw refuseToken(error)
      requirePlausible(token, check, error)
      set = await findNewer(set, jwks, token, error)
      if (set === undefined) throw refuseToken(error)
      return attempt(set.value.find)
    }
  }

  return attempt(findCurrent)
}

/**
 * A rotated key causes an unknown `kid`, or a wrong signature if the provider reuses a `kid` or sends none.
 */
function isAboutKey(error: unknown): error is JWKSNoMatchingKey | JWSSignatureVerificationFailed {
  return error instanceof JWKSNoMatchingKey || error instanceof JWSSignatureVerificationFailed
}

/** A token that no key could make valid is refused at once, because it tells nothing about a rotation. */
function requirePlausible(token: PlacedToken, check: TokenCheck, error: JOSEError): void {
  const fault = check.findUnverifiedFault(token)
  if (fault !== undefined) throw error instanceof JWKSNoMatchingKey ? fault : refuseToken(error)
}

/** An unknown key while the provider is unreachable is an outage. A wrong signature stays a refusal. */
async function findNewer(set: KeySet, jwks: Jwks, { text }: PlacedToken, error: JOSEError) {
  if (error instanceof JWKSNoMatchingKey) return jwks.lookFor(decodeProtectedHeader(text), set)
  return jwks.newerThan(set).catch(() => undefined)
}
