import { z } from 'zod'
import { requireIdentifiers } from '../session/identifiers.ts'
import type { Session } from '../session/identity.ts'
import type { Logger } from '../telemetry/logger.ts'
import { isKeyRefused, jsonHeaders, readAnswer, readClaims, vendorToken } from './exchange.ts'
import type { IssuedToken, TokenIssuer } from './issuer.ts'
import { identifyKey } from './keys.ts'
import { createVendorReport } from './report.ts'
import { expiryOf } from './token-life.ts'
import type { VendorAnswer, VendorTransport } from './transport.ts'

interface AccessKey {
  accessId: string
  accessKey: string
  apiUrl: URL
}

interface EmbedTokenOptions {
  transport: VendorTransport
  logger: Logger
  /** Id and key belong together, and are replaced together. */
  accessKeys: { current: AccessKey }
  /** From the first request to the last answer. */
  timeoutMs: number
}

/**
 * Asks for tokens as the vendor's "Access Key Embed" guide describes: `POST /v2/api/widget-access-keys/token`
 * with the access key and the user's identifiers as JSON. Rejects with the contract's problem for
 * anything but a usable token.
 */
export function createEmbedTokenIssuer(options: EmbedTokenOptions): TokenIssuer {
  const { transport, logger, accessKeys, timeoutMs } = options
  const url = new URL('/v2/api/widget-access-keys/token', accessKeys.current.apiUrl)
  const report = createVendorReport(logger, 'RAI_ACCESS_ID and RAI_ACCESS_KEY')

  const currentKeyId = () => identifyKey(accessKeys.current.accessKey).id

  async function issue(session: Session, signal: AbortSignal): Promise<IssuedToken> {
    const identifiers = requireIdentifiers(session.identifiers)
    const bounds = { endsAt: performance.now() + timeoutMs, signal }
    const { accessId, accessKey } = accessKeys.current
    const { id: keyId } = identifyKey(accessKey)
    const body = JSON.stringify({ accessId, accessKey, userIdentifiers: identifiers })
    try {
      const request = { url, headers: jsonHeaders, body, user: session.subject, keyId }
      return readToken(await transport.send(request, bounds), keyId)
    } catch (error) {
      if (isKeyRefused(error)) report.keyRefused(keyId, error)
      throw error
    }
  }

  return {
    name: 'access_key',
    door: 'access_key',
    userOf: ({ identifiers }) => JSON.stringify(requireIdentifiers(identifiers)),
    hasKey: (keyId) => keyId === currentKeyId(),
    check: ({ subject }) => transport.check({ user: subject, keyId: currentKeyId() }),
    issue,
  }
}

function readToken(answer: VendorAnswer, keyId: string): IssuedToken {
  const { vendorMs, attempts, headers } = answer
  const { embedToken: token, expiresIn } = readAnswer(embedAnswer, answer, keyId).data
  const ends = [expiryIn(expiresIn), expiryOf(readClaims(token), headers.date)]
  const expiresAt = Math.min(...ends.map((end) => end ?? Infinity))
  return { token, expiresAt: expiresAt === Infinity ? undefined : expiresAt, vendorMs, attempts, keyId }
}

const embedAnswer = z.object({
  data: z.object({ embedToken: vendorToken, expiresIn: z.unknown().optional() }),
})

/** The end of a life in seconds, on the monotonic clock; undefined if the vendor states none. */
function expiryIn(seconds: unknown): number | undefined {
  const isLife = typeof seconds === 'number' && seconds >= 0 && seconds < Number.MAX_SAFE_INTEGER / 1000
  return isLife ? Math.floor(performance.now() + seconds * 1000) : undefined
}
