import { z } from 'zod'
import type { Logger } from '../telemetry/logger.ts'
import { requireEmail, type Session } from '../session/identity.ts'
import { isKeyRefused, jsonHeaders, readAnswer, readClaims, vendorToken } from './exchange.ts'
import type { IssuedToken, TokenIssuer } from './issuer.ts'
import { createKeyOrder, type ApiKey, type KeyRing, type KeyRings } from './keys.ts'
import { createVendorReport } from './report.ts'
import { expiryOf } from './token-life.ts'
import type { VendorAnswer, VendorTransport } from './transport.ts'
import type { CallBounds } from './waiting-line.ts'

interface SigninOptions {
  transport: VendorTransport
  keys: KeyRings
  logger: Logger
  baseUrl: URL
  communityId: string
  /** From the first request to the last answer, also where a second key is tried. */
  timeoutMs: number
}

/** Finds the issuer whose key ring serves a widget type. */
export type FindIssuer = (widgetType: string | undefined) => TokenIssuer

/**
 * Signs users in as the vendor's "Authenticated Widgets" guide describes: `POST
 * /widget/{community_id}/signin` with the API key and the email as headers. An issuer rejects with the
 * contract's problem for anything but a usable token.
 */
export function createSignin(options: SigninOptions): FindIssuer {
  const { transport, keys, logger, baseUrl, communityId, timeoutMs } = options
  const url = new URL(`/widget/${communityId}/signin`, baseUrl)
  const order = createKeyOrder()
  const report = createVendorReport(logger, 'WIDGET_API_KEY and WIDGET_COMMUNITY_ID')

  function createIssuer(ring: KeyRing): TokenIssuer {
    return {
      // Empty for the usual ring, so that its tokens need no key besides the credential's hash.
      name: ring.name,
      door: 'signin',
      userOf: requireEmail,
      hasKey: (keyId) => ring.current().some(({ id }) => id === keyId),
      check: ({ subject }) => transport.check({ user: subject, keyId: order.of(ring.current())[0]!.id }),
      issue: (session, signal) => issue(session, ring, signal),
    }
  }

  async function issue(session: Session, ring: KeyRing, signal: AbortSignal): Promise<IssuedToken> {
    const email = requireEmail(session)
    const bounds = { endsAt: performance.now() + timeoutMs, signal }
    let refusal: unknown
    const current = ring.current()
    for (const key of order.of(current)) {
      try {
        const issued = readToken(await signIn(session.subject, email, key, bounds), email, key.id)
        if (refusal !== undefined) order.prefer(current, key)
        return issued
      } catch (error) {
        if (!isKeyRefused(error)) throw error
        report.keyRefused(key.id, error)
        refusal = error
      }
    }
    throw refusal
  }

  function signIn(user: string, email: string, key: ApiKey, bounds: CallBounds): Promise<VendorAnswer> {
    const headers = { 'returningai-api-key': key.value, email, ...jsonHeaders }
    return transport.send({ url, headers, user, keyId: key.id }, bounds)
  }

  function readToken(answer: VendorAnswer, email: string, keyId: string): IssuedToken {
    const { vendorMs, attempts } = answer
    const { token } = readAnswer(signinAnswer, answer, keyId)
    const claims = readClaims(token)
    const { email: holder } = claims
    if (typeof holder === 'string' && holder.toLowerCase() !== email.toLowerCase()) report.otherHolder(keyId)
    const expiresAt = expiryOf(claims, answer.headers.date)
    return { token, expiresAt, vendorMs, attempts, keyId }
  }

  const issuers = new WeakMap<KeyRing, TokenIssuer>()
  return function findIssuer(widgetType) {
    const ring = keys.of(widgetType)
    const issuer = issuers.get(ring) ?? createIssuer(ring)
    issuers.set(ring, issuer)
    return issuer
  }
}

const signinAnswer = z.object({ token: vendorToken })
