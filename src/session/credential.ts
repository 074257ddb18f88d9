import type { IncomingMessage } from 'node:http'
import { parseCookie } from 'cookie'
import { headerLines } from '../http/header-lines.ts'
import type { OutcomeOf } from '../outcomes.ts'
import { Problem } from '../problems.ts'

/**
 * Reads one credential of a request. Returns undefined if there is none, throws `bad_request` for two
 * different ones.
 */
type CredentialSource = (request: IncomingMessage) => string | undefined

const maxCredentialLength = 8192
const maxCookiesOfName = 8

/** The token of `Authorization: Bearer …` (RFC 6750 §2.1). Another scheme is not a credential. */
export function readBearer(request: IncomingMessage): string | undefined {
  const value = readHeader(request, 'authorization')
  const token = value === undefined ? undefined : /^bearer +([^\s,]+)$/i.exec(value)?.[1]
  return token === undefined ? undefined : requireLength(token)
}

/** The value of one cookie, decoded. An empty value counts as absent. */
function readCookie(request: IncomingMessage, name: string): string | undefined {
  const header = request.headers.cookie
  if (header === undefined || !header.includes(`${name}=`)) return undefined
  const value = requireOne(header.split(';').map((pair) => parseCookie(pair, asSent)[name]))
  // Decoded only now, as the library does it.
  return requireLength(value && parseCookie(`value=${value}`).value)
}

/**
 * The different values of the cookies of one name, decoded. More than a browser would ever hold are refused,
 * since each may cost a signature check.
 */
export function readCookies(request: IncomingMessage, name: string): string[] {
  const pairs = (request.headers.cookie ?? '').split(';')
  const found = pairs.map((pair) => parseCookie(pair, asSent)[name])
  const values = [...new Set(found.filter((value) => value !== undefined && value !== ''))]
  if (values.length > maxCookiesOfName) throw ambiguous()
  return values.flatMap((value) => requireLength(parseCookie(`value=${value}`).value) ?? [])
}

/** Does not decode: each malformed value would cost an exception, and a header has room for thousands. */
export const asSent = { decode: (value: string) => value }

/** The value of one header; lines with the same value count as one. */
export function readHeader(request: IncomingMessage, name: string): string | undefined {
  if (request.headers[name] === undefined) return undefined
  return requireOne(headerLines(request, name))
}

/** A token, and the configuration entry that says where it was. */
export interface FoundToken {
  token: string
  entry: string
}

/** Makes a source of `bearer`, `cookie:NAME` and `header:NAME` entries: the first that is present decides. */
export function createTokenSource(
  entries: readonly string[],
): (request: IncomingMessage) => FoundToken | undefined {
  const readers = entries.map((entry) => ({ entry, read: createReader(entry) }))
  return (request) => {
    for (const { entry, read } of readers) {
      const token = read(request)
      if (token !== undefined) return { token, entry }
    }
    return undefined
  }
}

/** The cookies that such entries read. */
export function cookieNames(entries: readonly string[]): string[] {
  return entries.filter((entry) => entry.startsWith('cookie:')).map((entry) => entry.slice('cookie:'.length))
}

function createReader(entry: string): CredentialSource {
  if (entry === 'bearer') return readBearer
  const name = entry.slice(entry.indexOf(':') + 1)
  if (entry.startsWith('cookie:')) return (request) => unwrapToken(readCookie(request, name))
  return (request) => unwrapToken(requireLength(readHeader(request, name.toLowerCase())))
}

/** Some frameworks keep the whole `Bearer …` in a cookie, in quotes because of the space (FastAPI). */
function unwrapToken(value: string | undefined): string | undefined {
  const bare = value?.replace(/^"(.*)"$/, '$1').replace(/^bearer +/i, '')
  return bare === '' ? undefined : bare
}

/** The only value, however often it occurs. An empty value counts as absent. */
function requireOne(values: readonly (string | undefined)[]): string | undefined {
  const [value, ...others] = values.filter((one) => one !== undefined && one !== '')
  if (others.some((other) => other !== value)) throw ambiguous()
  return value
}

/** 400 for a request with two different credentials of one kind. */
export function ambiguous(): Problem {
  return new Problem('bad_request', { diagnosis: { outcome: 'ambiguous_credentials' } })
}

function requireLength(credential: string | undefined): string | undefined {
  if (credential !== undefined && credential.length > maxCredentialLength) {
    throw sessionInvalid('credential_too_long')
  }
  return credential
}

/** 401 for a request without a session. RFC 6750 §3 allows no error code in its challenge. */
export function sessionMissing(): Problem {
  return new Problem('session_missing', { headers: { 'www-authenticate': 'Bearer realm="widget-token"' } })
}

/** 401 for a session that was refused. `outcome` is for the log. */
export function sessionInvalid(outcome: OutcomeOf<'session_invalid'>, cause?: unknown): Problem {
  return new Problem('session_invalid', {
    headers: { 'www-authenticate': 'Bearer realm="widget-token", error="invalid_token"' },
    diagnosis: { outcome },
    cause,
  })
}

/** 503 for a session source that gave no clear answer. `outcome` is for the log. */
export function sourceUnavailable(
  outcome: OutcomeOf<'session_source_unavailable'>,
  cause?: unknown,
  retryAfterSeconds?: number,
): Problem {
  return new Problem('session_source_unavailable', { diagnosis: { outcome }, cause, retryAfterSeconds })
}
