import { decodeJwt } from 'jose'
import { z } from 'zod'
import { Problem } from '../problems.ts'
import type { Session } from '../session/identity.ts'
import type { ApiKey, KeyRing } from './keys.ts'
import type { VendorAnswer, VendorTransport } from './transport.ts'

/** A token as the vendor gave it. `expiresAt` is in milliseconds on the monotonic clock; absent when unknown. */
export interface IssuedToken {
  token: string
  expiresAt?: number
  vendorMs: number
  attempts: number
  keyId: string
}

export interface TokenIssuer {
  issue(session: Session, keys: KeyRing, signal: AbortSignal): Promise<IssuedToken>
}

interface SigninOptions {
  transport: VendorTransport
  baseUrl: URL
  communityId: string
}

/**
 * Signs a user in by the vendor's "Authenticated Widgets" guide: `POST /widget/{community_id}/signin` with the API key
 * and the email as headers. Rejects with the contract's problem for whatever is not a usable token.
 */
export function createSigninIssuer({ transport, baseUrl, communityId }: SigninOptions): TokenIssuer {
  const url = new URL(`/widget/${communityId}/signin`, baseUrl)

  async function signIn(email: string, key: ApiKey, signal: AbortSignal): Promise<IssuedToken> {
    const headers = {
      'returningai-api-key': key.value,
      email,
      'content-type': 'application/json',
      accept: 'application/json',
      'accept-encoding': 'identity',
      'user-agent': 'returning-ai-token-broker',
    }
    const answer = await transport.send({ url, headers }, signal).catch((error: unknown) => {
      if (error instanceof Problem) error.diagnosis.keyId = key.id
      throw error
    })
    const token = parseToken(answer)
    return {
      token,
      expiresAt: readExpiry(token),
      vendorMs: answer.vendorMs,
      attempts: answer.attempts,
      keyId: key.id,
    }
  }

  return {
    async issue({ email }, ring, signal) {
      let refusal: unknown
      for (const key of ring.current()) {
        try {
          return await signIn(email, key, signal)
        } catch (error) {
          if (!isKeyRefused(error)) throw error
          refusal = error
        }
      }
      throw refusal
    },
  }
}

function isKeyRefused(error: unknown): boolean {
  return error instanceof Problem && error.code === 'vendor_rejected_credentials'
}

/** The vendor promises no charset for its token: 8 to 8192 visible ASCII characters are safe to hand on. */
const signinAnswer = z.object({ token: z.string().regex(/^[\x21-\x7e]{8,8192}$/) })

function parseToken({ body }: VendorAnswer): string {
  const answer = signinAnswer.safeParse(parseJson(body))
  if (!answer.success) throw new Problem('vendor_bad_response', { diagnosis: { outcome: 'invalid_shape' } })
  return answer.data.token
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch {
    throw new Problem('vendor_bad_response', { diagnosis: { outcome: 'invalid_json' } })
  }
}

/** The vendor's token is a JWT with `exp` as far as is known; one that is not lives for an unknown time. */
function readExpiry(token: string): number | undefined {
  try {
    const { exp } = decodeJwt(token)
    return typeof exp === 'number' ? performance.now() + exp * 1000 - Date.now() : undefined
  } catch {
    return undefined
  }
}
