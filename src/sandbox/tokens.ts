import { webcrypto } from 'node:crypto'
import { jwtVerify, SignJWT } from 'jose'

interface WidgetUser {
  email: string
  serial: number
  use: TokenUse
}

/** A widget token of signin, an embed token, or the access token that the SDK gets for one. */
type TokenUse = 'widget' | 'embed' | 'access'

export interface SandboxTokens {
  mint(email: string, lifetimeSeconds?: number, use?: TokenUse): Promise<string>
  verify(token: string): Promise<WidgetUser | undefined>
  expire(email?: string): void
}

/**
 * Mints and verifies the sandbox's HS256 widget tokens. The key is made at each start and never leaves
 * the process. `expire` ends every token minted so far, of one user or of all.
 */
export function createTokens(lifetimeSeconds: number): SandboxTokens {
  const key = webcrypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify'])
  const expiredUpTo = new Map<string, number>()
  let serial = 0
  let everybodyExpiredUpTo = 0

  async function mint(email: string, seconds = lifetimeSeconds, use: TokenUse = 'widget') {
    serial += 1
    const now = Math.floor(Date.now() / 1000)
    return new SignJWT({ email, use })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setJti(String(serial))
      .setIssuedAt(now)
      .setExpirationTime(now + seconds)
      .sign(await key)
  }

  async function verify(token: string) {
    const verified = await jwtVerify(token, await key, { algorithms: ['HS256'] }).catch(() => undefined)
    if (verified === undefined) return undefined
    const { email, jti, use } = verified.payload
    const user = { email: String(email), serial: Number(jti), use: use as TokenUse }
    const expired = user.serial <= Math.max(everybodyExpiredUpTo, expiredUpTo.get(user.email) ?? 0)
    return expired ? undefined : user
  }

  function expire(email?: string) {
    if (email === undefined) everybodyExpiredUpTo = serial
    else expiredUpTo.set(email, serial)
  }

  return { mint, verify, expire }
}
