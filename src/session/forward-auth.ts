import type { IncomingMessage } from 'node:http'
import { toMonotonic } from '../lib/clock.ts'
import type { HttpClient } from '../outbound/client.ts'
import type { OutboundAnswer } from '../outbound/exchange.ts'
import { isRecord } from '../lib/json.ts'
import type { SessionVerifier } from './sessions.ts'
import { readBearer, readHeader, sessionInvalid, sourceUnavailable } from './credential.ts'
import type { VerifiedClaims } from './identity.ts'
import { askSource, parseSourceJson } from './ask-source.ts'

export interface ForwardAuthSettings {
  /** The customer's own "who am I" endpoint: never chosen by anything in a request. */
  url: URL
}

interface ForwardAuthOptions extends ForwardAuthSettings {
  client: HttpClient
  timeoutMs: number
  rememberMs: number
}

/** What the endpoint sees of the caller, and so what its answer depends on. */
interface Credential {
  cookie?: string
  authorization?: string
}

const maxBytes = 64 * 1024
const signedOut = new Set([401, 403, 302, 303])

/**
 * Knows a session by asking the customer's app: its cookies and its bearer token go to one configured address,
 * and 200 with JSON is a session whose claims are that JSON.
 */
export function createForwardAuthVerifier(options: ForwardAuthOptions): SessionVerifier {
  const { client, url, timeoutMs, rememberMs } = options
  return {
    mode: 'forward-auth',
    id: JSON.stringify([url.href]),
    rememberMs,
    remote: true,
    cookies: 'all',
    readCredential,
    async verify(credential, signal) {
      const headers = { accept: 'application/json', ...(JSON.parse(credential) as Credential) }
      return readAnswer(await askSource(client, { url, method: 'GET', headers, timeoutMs, maxBytes, signal }))
    },
  }
}

/** A cookie or a bearer token; `Authorization` of another scheme goes along with a cookie, but is no session by itself. */
function readCredential(request: IncomingMessage): string | undefined {
  const cookie = request.headers.cookie || undefined
  const authorization = readHeader(request, 'authorization')
  if (cookie === undefined && readBearer(request) === undefined) return undefined
  return JSON.stringify({ cookie, authorization } satisfies Credential)
}

function readAnswer({ status, body }: OutboundAnswer): VerifiedClaims {
  if (signedOut.has(status)) throw sessionInvalid(`answer_status_${status}`)
  if (status !== 200) throw sourceUnavailable(`answer_status_${status}`)
  const answer = parseSourceJson(body)
  if (!isRecord(answer)) return { claims: {} }
  return { claims: answer, expiresAt: readExpiry(answer) }
}

/** The end of the session, where the app's answer has one, as JWTs spell it. */
function readExpiry({ exp }: Record<string, unknown>): number | undefined {
  return typeof exp === 'number' ? toMonotonic(exp) : undefined
}
