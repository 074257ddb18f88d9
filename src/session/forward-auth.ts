import type { Logger } from '../telemetry/logger.ts'
import type { HttpClient } from '../outbound/client.ts'
import { askSource } from './ask-source.ts'
import { isHeaderClaim } from './claims.ts'
import { createAnswerReader } from './forward-answer.ts'
import { createCircumstancesReader, readForwarded, type QuestionHeaders } from './forward-question.ts'
import { claimsOf, type ClaimNames } from './identity.ts'
import { pickRenewedCookies } from './renewed-cookies.ts'
import type { SessionVerifier } from './verifier.ts'

export interface ForwardAuthSettings {
  /** The customer's own "who am I" endpoint. Nothing in a request can change it. */
  url: URL
  /** The names of the session cookies. Undefined: any cookie may be one. */
  cookies?: readonly string[]
}

interface ForwardAuthOptions extends ForwardAuthSettings {
  client: HttpClient
  timeoutMs: number
  rememberMs: number
  identity: ClaimNames
  publicUrls: readonly URL[]
  logger: Logger
}

const maxBytes = 64 * 1024

/**
 * Verifies a session by asking the customer's app. The caller's cookies and bearer token go to one configured
 * address. The claims are the JSON of the answer, or its headers if a configured claim is a `header:` name.
 */
export function createForwardAuthVerifier(options: ForwardAuthOptions): SessionVerifier {
  const { client, url, cookies, timeoutMs, rememberMs, identity, publicUrls } = options
  const byHeaders = claimsOf(identity).some(isHeaderClaim)
  const readAnswer = createAnswerReader({ ...options, byHeaders })
  const bounds = { timeoutMs, maxBytes, answerBody: byHeaders ? 'ignore' : 'decode' } as const
  return {
    mode: 'forward-auth',
    id: JSON.stringify([url.href]),
    rememberMs,
    remote: true,
    cookies: cookies ?? 'all',
    readCredential: (request) => readForwarded(request, cookies),
    readCircumstances: createCircumstancesReader(publicUrls),
    async verify(credential, signal, circumstances = '{}', traceparent?: string) {
      const carried = JSON.parse(credential) as QuestionHeaders
      const headers = { accept: 'application/json', ...carried, ...(JSON.parse(circumstances) as object) }
      const answer = await askSource(client, { url, method: 'GET', headers, traceparent, signal, ...bounds })
      return { ...readAnswer(answer), setCookies: pickRenewedCookies(answer, carried.cookie) }
    },
  }
}
