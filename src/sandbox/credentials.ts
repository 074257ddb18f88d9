import { createHash, timingSafeEqual } from 'node:crypto'

/** The credentials that the sandbox accepts. Change `apiKeys` while it runs to rehearse a key rotation. */
export interface SandboxCredentials {
  communityId: string
  apiKeys: Set<string>
  accessId: string
  accessKey: string
  /** Whether the access key is revoked: it then gets no new tokens. */
  accessKeyRevoked: boolean
  /** The origins of pages that may use embed tokens, live. An empty set allows any. */
  allowedOrigins: Set<string>
  /** The lifetime of the access token that an embed token is exchanged for. */
  accessTokenSeconds: number
}

/** Well-known values for a stand-in on a developer's machine: no real account has them. */
export const sampleCredentials = {
  communityId: 'sandbox-community',
  apiKey: 'sandbox-widget-api-key',
  accessId: 'sandbox-access-id',
  accessKey: 'sandbox-access-key',
}

/** Compares in constant time, whatever the lengths, as the vendor should. */
export function sameSecret(presented: string, expected: string): boolean {
  return timingSafeEqual(digest(presented), digest(expected))
}

function digest(text: string) {
  return createHash('sha256').update(text).digest()
}
