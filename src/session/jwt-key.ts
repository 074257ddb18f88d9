import { createPublicKey, webcrypto, type KeyObject } from 'node:crypto'

const rsa = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const edwards = ['EdDSA', 'Ed25519']
const asymmetric = [...rsa, 'ES256', 'ES384', 'ES512', ...edwards]

const curves: Record<string, string> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }

const minRsaBits = 2048
const minSecretBytes = 32

/**
 * What is wrong with an allow-list of algorithms (RFC 8725 §3.1): a secret and a public key must never share
 * one.
 */
export function findAlgorithmsFault(algorithms: readonly string[], symmetric: boolean): string | undefined {
  const known = symmetric ? ['HS256'] : asymmetric
  const fine = algorithms.length > 0 && algorithms.every((name) => known.includes(name))
  return fine ? undefined : `must be of ${known.join(', ')}`
}

/** What is wrong with a PEM as the key for these algorithms; the text never quotes it. */
export function findPublicKeyFault(pem: string, algorithms: readonly string[]): string | undefined {
  if (pem.includes('PRIVATE KEY'))
    return 'holds a private key: the broker needs, and should have, only the public one'
  const key = parsePublicKey(pem)
  if (key === undefined) return 'must be a PEM public key or certificate'
  const bits = key.asymmetricKeyDetails?.modulusLength
  if (bits !== undefined && bits < minRsaBits) return `must have at least ${minRsaBits} bits`
  const fitting = algorithmsOf(key)
  if (algorithms.some((name) => fitting.includes(name))) return undefined
  return `fits none of the algorithms ${algorithms.join(', ')}`
}

/** What is wrong with an HS256 secret (RFC 7518 §3.2). */
export function findSecretFault(secret: string): string | undefined {
  return Buffer.byteLength(secret) < minSecretBytes ? `must have at least ${minSecretBytes} bytes` : undefined
}

/** The key of a PEM. Throws if it fits none of the algorithms. */
export function importPublicKey(pem: string, algorithms: readonly string[]): KeyObject {
  throwFault(findPublicKeyFault(pem, algorithms))
  return createPublicKey(pem)
}

/** The HS256 secret, imported once: jose would import it again for each token. */
export function importSecret(secret: string): Promise<webcrypto.CryptoKey> {
  throwFault(findSecretFault(secret))
  const hmac = { name: 'HMAC', hash: 'SHA-256' }
  return webcrypto.subtle.importKey('raw', Buffer.from(secret), hmac, false, ['verify'])
}

function throwFault(fault: string | undefined): void {
  if (fault !== undefined) throw new TypeError(`The key of jwt sessions ${fault}`)
}

function parsePublicKey(pem: string): KeyObject | undefined {
  try {
    return createPublicKey(pem)
  } catch {
    return undefined
  }
}

function algorithmsOf({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): string[] {
  if (type === 'rsa') return rsa
  if (type === 'ec') return [curves[details?.namedCurve ?? ''] ?? 'none']
  return type === 'ed25519' ? edwards : []
}
