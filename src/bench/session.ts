import { createHmac, webcrypto } from 'node:crypto'
import { jwtVerify } from 'jose'

/** What every candidate checks a session with. */
export const sessionSecret = 'the bench signs its sessions with this secret'

const header = encode({ alg: 'HS256', typ: 'JWT' })
const expiresAt = Math.floor(Date.now() / 1000) + 7200

/** The session of the n-th user: an HS256 JWT of usual size. */
export function signSession(user: number): string {
  const claims = { sub: `user-${user}`, email: `user-${user}@example.com`, iss: 'https://app.example.com' }
  const body = `${header}.${encode({ ...claims, iat: expiresAt - 7200, exp: expiresAt })}`
  return `${body}.${createHmac('sha256', sessionSecret).update(body).digest('base64url')}`
}

/** The check of the candidates that are not the broker: the cheapest that jose offers. */
export async function createSessionCheck() {
  const hmac = { name: 'HMAC', hash: 'SHA-256' }
  const key = await webcrypto.subtle.importKey('raw', Buffer.from(sessionSecret), hmac, false, ['verify'])
  return async function checkSession(authorization: string | undefined): Promise<string> {
    const token = authorization?.replace(/^Bearer /, '') ?? ''
    const { payload } = await jwtVerify(token, key, { algorithms: ['HS256'], requiredClaims: ['exp'] })
    return String(payload.email)
  }
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
