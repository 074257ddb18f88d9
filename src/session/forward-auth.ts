import type { IncomingMessage } from 'node:http'
import type { HttpClient, OutboundAnswer, OutboundFault } from '../http/client.ts'
import type { SessionVerifier } from './chain.ts'
import { readBearer, readHeader, sessionInvalid, sourceUnavailable } from './credential.ts'
import { isRecord, type VerifiedClaims } from './identity.ts'

interface ForwardAuthOptions {
  client: HttpClient
  /** The customer's own "who am I" endpoint: never chosen by anything in a request. */
  url: URL
  timeoutMs: number
  rememberMs: number
}

/** What the endpoint sees of the caller, and so what its answer depends on. */
interface Credential {
  cookie?: string
  authorization?: string
}

const maxAnswerBytes = 64 * 1024
const signedOut = new Set([401, 403, 302, 303])

/**
 * Knows a session by asking the customer's app: its cookies and its bearer token go to one configured address,
 * and 200 with JSON is a session whose claims are that JSON.
 */
export function createForwardAuthVerifier(options: ForwardAuthOptions): SessionVerifier {
  return {
    mode: 'forward-auth',
    id: JSON.stringify([options.url.href]),
    rememberMs: options.rememberMs,
    cookies: 'all',
    readCredential,
    async verify(credential, signal) {
      return readAnswer(await ask(options, JSON.parse(credential) as Credential, signal))
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

async function ask(
  { client, url, timeoutMs }: ForwardAuthOptions,
  credential: Credential,
  signal: AbortSignal,
) {
  const deadline = performance.now() + timeoutMs
  const headers = { accept: 'application/json', ...credential }

  function attempt(): Promise<OutboundAnswer> {
    const leftMs = Math.max(1, deadline - performance.now())
    return client.exchange({
      url,
      method: 'GET',
      headers,
      timeoutMs: leftMs,
      maxBytes: maxAnswerBytes,
      signal,
    })
  }

  // An app that closes its idle connection just as it is used again is not down; a GET may be repeated (RFC 9110 §9.2.2).
  function repeatAfterReset(fault: OutboundFault): Promise<OutboundAnswer> {
    return fault.outcome === 'reset' ? attempt() : Promise.reject(fault)
  }

  return attempt()
    .catch(repeatAfterReset)
    .catch((fault: OutboundFault) => {
      throw sourceUnavailable(fault.outcome, fault)
    })
}

function readAnswer({ status, body }: OutboundAnswer): VerifiedClaims {
  if (signedOut.has(status)) throw sessionInvalid(`answer_status_${status}`)
  if (status !== 200) throw sourceUnavailable(`answer_status_${status}`)
  const answer = parseJson(body)
  if (!isRecord(answer)) return { claims: {} }
  return { claims: answer, expiresAt: readExpiry(answer) }
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body.replace(/^\uFEFF/, ''))
  } catch (error) {
    throw sourceUnavailable('answer_not_json', error)
  }
}

/** `exp` in seconds since the epoch (RFC 7519 §4.1.4), where the app gives one, on the monotonic clock. */
function readExpiry({ exp }: Record<string, unknown>): number | undefined {
  return typeof exp === 'number' ? performance.now() + exp * 1000 - Date.now() : undefined
}
