import { z } from 'zod'
import { requireIdentifiers, type Identifiers } from '../session/identifiers.ts'
import type { Session } from '../session/identity.ts'
import type { Logger } from '../telemetry/logger.ts'
import { isKeyRefused, jsonHeaders, readAnswer, readClaims, vendorToken } from './exchange.ts'
import type { IssuedToken, TokenIssuer } from './issuer.ts'
import { identifyKey } from './keys.ts'
import { createVendorReport } from './report.ts'
import { expiryOf } from './token-life.ts'
import type { VendorAnswer, VendorTransport } from './transport.ts'

interface EmbedTokenOptions {
  transport: VendorTransport
  logger: Logger
  apiUrl: URL
  accessId: string
  accessKey: string
  /** From the first request to the last answer. */
  timeoutMs: number
}

/**
 * Asks for tokens as the vendor's "Access Key Embed" guide describes: `POST /v2/api/widget-access-keys/token` with the access key and
 * the user's identifiers as JSON. Rejects with the contract's problem for whatever is not a usable token.
 */
export function createEmbedTokenIssuer(options: EmbedTokenOptions): TokenIssuer {
  const { transport, logger, apiUrl, accessId, accessKey, timeoutMs } = options
  const url = new URL('/v2/api/widget-access-keys/token', apiUrl)
  const { id: keyId } = identifyKey(accessKey)
  const report = createVendorReport(logger, 'RAI_ACCESS_ID and RAI_ACCESS_KEY')

  async function issue(session: Session, signal: AbortSignal): Promise<IssuedToken> {
    const identifiers = requireIdentifiers(session.identifiers)
    const bounds = { endsAt: performance.now() + timeoutMs, signal }
    try {
      return readToken(await transport.send(requestOf(session.subject, identifiers), bounds))
    } catch (error) {
      if (isKeyRefused(error)) report.keyRefused(keyId, error)
      throw error
    }
  }

  function requestOf(user: string, userIdentifiers: Identifiers) {
    const body = JSON.stringify({ accessId, accessKey, userIdentifiers })
    return { url, headers: jsonHeaders, body, user, keyId }
  }

  function readToken(answer: VendorAnswer): IssuedToken {
    const { vendorMs, attempts, headers } = answer
    const { embedToken: token, expiresIn } = readAnswer(embedAnswer, answer, keyId).data
    const ends = [expiryIn(expiresIn), expiryOf(readClaims(token), headers.date)]
    const expiresAt = Math.min(...ends.map((end) => end ?? Infinity))
    return { token, expiresAt: expiresAt === Infinity ? undefined : expiresAt, vendorMs, attempts, keyId }
  }

  return {
    name: 'access_key',
    door: 'access_key',
    userOf: ({ identifiers }) => JSON.stringify(requireIdentifiers(identifiers)),
    check: ({ subject }) => transport.check({ user: subject, keyId }),
    issue,
  }
}

const embedAnswer = z.object({
  data: z.object({ embedToken: vendorToken, expiresIn: z.unknown().optional() }),
})

/** The end of a life in seconds, on the monotonic clock; undefined where the vendor states none. */
function expiryIn(seconds: unknown): number | undefined {
  const isLife = typeof seconds === 'number' && seconds >= 0 && seconds < Number.MAX_SAFE_INTEGER / 1000
  return isLife ? Math.floor(performance.now() + seconds * 1000) : undefined
}
