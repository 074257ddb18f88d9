import { z } from 'zod'
import { isRecord, parseJson } from '../lib/json.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Problem } from '../problems.ts'
import { requireEmail, type Session } from '../session/identity.ts'
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
 * Signs users in as the vendor's "Authenticated Widgets" guide describes: `POST /widget/{community_id}/signin` with the API key
 * and the email as headers. An issuer rejects with the contract's problem for whatever is not a usable token.
 */
export function createSignin(options: SigninOptions): FindIssuer {
  const { transport, keys, logger, baseUrl, communityId, timeoutMs } = options
  const url = new URL(`/widget/${communityId}/signin`, baseUrl)
  const order = createKeyOrder()
  const report = createVendorReport(logger)

  function createIssuer(ring: KeyRing): TokenIssuer {
    return {
      name: `signin ${ring.name}`,
      door: 'signin',
      userOf: requireEmail,
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
    const headers = {
      'returningai-api-key': key.value,
      email,
      'content-type': 'application/json',
      accept: 'application/json',
      'accept-encoding': 'identity',
      'user-agent': 'returning-ai-token-broker',
    }
    return transport.send({ url, headers, user, keyId: key.id }, bounds)
  }

  function readToken(answer: VendorAnswer, email: string, keyId: string): IssuedToken {
    const { vendorMs, attempts } = answer
    const token = parseToken(answer, keyId)
    const { expiresAt, email: holder } = readClaims(token, answer.headers.date)
    if (holder !== undefined && holder.toLowerCase() !== email.toLowerCase()) report.otherHolder(keyId)
    return { token, expiresAt, vendorMs, attempts, keyId }
  }

  const issuers = new Map(keys.all.map((ring) => [ring, createIssuer(ring)]))
  return (widgetType) => issuers.get(keys.of(widgetType))!
}

function isKeyRefused(error: unknown): error is Problem {
  return error instanceof Problem && error.code === 'vendor_rejected_credentials'
}

/** The vendor promises no charset for its token: 8 to 8192 visible ASCII characters are safe to hand on. */
const signinAnswer = z.object({ token: z.string().regex(/^[\x21-\x7e]{8,8192}$/) })

function parseToken({ body, headers, vendorMs, attempts }: VendorAnswer, keyId: string): string {
  const json = parseJson(body)
  const answer = signinAnswer.safeParse(json)
  if (answer.success) return answer.data.token
  const notJson = /json/i.test(String(headers['content-type'])) ? 'invalid_json' : 'unexpected_content_type'
  const outcome = json === undefined ? notJson : 'invalid_shape'
  throw new Problem('vendor_bad_response', {
    diagnosis: { outcome, vendorStatus: 200, attempts, vendorMs, keyId },
  })
}

/** The vendor's token is a JWT with `exp` as far as is known; one that is not lives for an unknown time. */
function readClaims(token: string, date: unknown): { expiresAt?: number; email?: string } {
  const parsed = parseJson(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
  const claims = isRecord(parsed) ? parsed : {}
  const { email } = claims
  return { expiresAt: expiryOf(claims, date), email: typeof email === 'string' ? email : undefined }
}
