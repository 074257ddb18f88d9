import { hash } from 'node:crypto'
import { unsign } from 'cookie-signature'
import { isRecord, parseJson } from '../lib/json.ts'
import { createRedis, type Redis } from '../outbound/redis.ts'
import type { RedisFault } from '../outbound/redis-fault.ts'
import type { Logger } from '../telemetry/logger.ts'
import { ambiguous, readCookies, sessionInvalid, sourceUnavailable } from './credential.ts'
import type { Claims, VerifiedClaims } from './claims.ts'
import { createFieldsNotice } from './fields-notice.ts'
import { namesUser, type ClaimNames } from './identity.ts'
import type { SessionVerifier } from './verifier.ts'

export interface ExpressSessionSettings {
  /** The Redis in which the customer's app keeps its sessions (`redis://` or `rediss://`). */
  storeUrl: string
  prefix: string
  /** The app's cookie secrets. It signs with the first, and still accepts the others. */
  secrets: readonly string[]
  cookie: string
}

interface ExpressSessionOptions extends ExpressSessionSettings {
  timeoutMs: number
  identity: ClaimNames
  logger: Logger
}

interface StoredSession {
  json: string
  /** The result of `PTTL`: milliseconds left, -1 for a key without an expiry, -2 for a key that is gone. */
  lifeMs: number
}

/** Parsing a large one would make everybody wait: 50 MB take two seconds. */
const maxStoredBytes = 64 * 1024
const noEnd = -1
const gone = -2

/**
 * Verifies a session of express-session by reading the app's own store, as connect-redis writes it. A cookie
 * that the app did not sign never reaches Redis. `close` ends the connection.
 */
export function createExpressSessionVerifier(
  options: ExpressSessionOptions,
): SessionVerifier & { close(): void } {
  const { storeUrl, prefix, secrets, cookie, timeoutMs } = options
  const redis = createRedis({ url: storeUrl, timeoutMs })
  const requireUser = createUserCheck(options)
  return {
    mode: 'express-session',
    id: hash('sha256', JSON.stringify([storeUrl, prefix, secrets]), 'base64url'),
    rememberMs: 0,
    remote: true,
    cookies: [cookie],
    readCredential: (request) => chooseCookie(readCookies(request, cookie), secrets),
    async verify(credential) {
      const stored = await readStored(redis, prefix + requireSigned(credential, secrets))
      return requireUser(toClaims(stored))
    },
    close: () => redis.close(),
  }
}

/**
 * A browser may also send an old cookie of a parent domain. If the app signed any of the cookies, only signed
 * ones count. Two of these that name different sessions are refused.
 */
function chooseCookie(cookies: readonly string[], secrets: readonly string[]): string | undefined {
  const signed = cookies.filter((cookie) => findSigned(cookie, secrets) !== undefined)
  if (new Set(signed.map((cookie) => findSigned(cookie, secrets))).size > 1) throw ambiguous()
  return signed[0] ?? cookies[0]
}

/** The session id in `s:<id>.<signature>`. Throws for an unsigned or wrongly signed cookie. */
function requireSigned(cookie: string, secrets: readonly string[]): string {
  if (!cookie.startsWith('s:')) throw sessionInvalid('cookie_unsigned')
  const sessionId = findSigned(cookie, secrets)
  if (sessionId === undefined) throw sessionInvalid('cookie_signature')
  return sessionId
}

function findSigned(cookie: string, secrets: readonly string[]): string | undefined {
  if (!cookie.startsWith('s:')) return undefined
  for (const secret of secrets) {
    const sessionId = unsign(cookie.slice(2), secret)
    if (sessionId !== false) return sessionId
  }
  return undefined
}

async function readStored(redis: Redis, key: string): Promise<StoredSession> {
  const [json, lifeMs] = await redis
    .run((client) => Promise.all([client.get(key), client.pTTL(key)]))
    .catch((fault: RedisFault) => {
      throw sourceUnavailable(fault.outcome, fault)
    })
  if (json === null || lifeMs === gone) throw sessionInvalid('session_unknown')
  return { json, lifeMs }
}

/**
 * The stored JSON is the claims. The lifetime of its key is that of the session: connect-redis extends a
 * session that is used with `EXPIRE`, and does not change `cookie.expires`. `cookie.expires` counts only if
 * keys have no expiry.
 */
function toClaims({ json, lifeMs }: StoredSession): VerifiedClaims {
  const claims = parseStored(json)
  const leftMs = lifeMs === noEnd ? cookieLifeMs(claims) : lifeMs
  if (leftMs === undefined) return { claims }
  if (leftMs <= 0) throw sessionInvalid('session_expired')
  return { claims, expiresAt: performance.now() + leftMs }
}

/**
 * Refuses the session of a visitor who is not signed in. Apps keep one for a cart, and Passport keeps one
 * after a sign-out.
 */
function createUserCheck({ identity, logger }: ExpressSessionOptions) {
  const warnOfFields = createFieldsNotice(logger, 'session_without_user', 'A session of SESSION_STORE_URL')

  return function requireUser(verified: VerifiedClaims): VerifiedClaims {
    if (namesUser(verified, identity)) return verified
    const { cookie: _, ...fields } = verified.claims
    warnOfFields(fields)
    throw sessionInvalid('session_without_user')
  }
}

function parseStored(json: string): Claims {
  if (Buffer.byteLength(json) > maxStoredBytes) throw sessionInvalid('stored_session_too_large')
  const stored = parseJson(json)
  if (!isRecord(stored)) throw sourceUnavailable('stored_session_not_json')
  return stored
}

function cookieLifeMs({ cookie }: Claims): number | undefined {
  const expires = isRecord(cookie) ? cookie.expires : undefined
  if (typeof expires !== 'string') return undefined
  const leftMs = Date.parse(expires) - Date.now()
  if (Number.isNaN(leftMs)) throw sourceUnavailable('stored_expiry_unreadable')
  return leftMs
}
