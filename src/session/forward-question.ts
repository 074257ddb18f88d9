import type { IncomingMessage } from 'node:http'
import type { Request } from 'express'
import { clientAddress } from '../http/client-address.ts'
import { hasHost } from '../http/own-origin.ts'
import { readBearer, readHeader } from './credential.ts'

/** What the endpoint sees of the caller, so what its answer may depend on. */
export interface QuestionHeaders {
  cookie?: string
  authorization?: string
  [name: string]: string | undefined
}

const maxUserAgentLength = 512

/**
 * Reads the credential. `Authorization` of another scheme is sent along with a cookie, but is not a session
 * by itself.
 */
export function readForwarded(
  request: IncomingMessage,
  cookies: readonly string[] | undefined,
): string | undefined {
  const cookie = pickCookies(request.headers.cookie, cookies)
  const authorization = readHeader(request, 'authorization')
  if (cookie === undefined && readBearer(request) === undefined) return undefined
  return JSON.stringify({ cookie, authorization } satisfies QuestionHeaders)
}

/** Reads what else is part of a question: the browser, its address, and the address that it called. */
export function createCircumstancesReader(publicUrls: readonly URL[]) {
  const forwarded = publicUrls.map((url) => ({ url, headers: forwardedHeaders(url) }))

  return function readCircumstances(request: IncomingMessage): string {
    const own = forwarded.find(({ url }) => hasHost(url, request.headers.host)) ?? forwarded[0]
    return JSON.stringify({
      'user-agent': readUserAgent(request),
      // Never the caller's own X-Forwarded-For, only that of a proxy in TRUST_PROXY.
      'x-forwarded-for': clientAddress(request as Request),
      ...own?.headers,
    } satisfies QuestionHeaders)
  }
}

/**
 * The headers that a reverse proxy in front of the app would send. Authelia and others require a full
 * address.
 */
function forwardedHeaders({ protocol, host, origin }: URL): QuestionHeaders {
  return {
    'x-forwarded-proto': protocol.slice(0, -1),
    'x-forwarded-host': host,
    'x-forwarded-method': 'GET',
    'x-forwarded-uri': '/',
    'x-original-url': `${origin}/`,
  }
}

/** The cookies with these names, unchanged. An empty header counts as absent. */
function pickCookies(header: string | undefined, names: readonly string[] | undefined): string | undefined {
  if (header === undefined || names === undefined) return header || undefined
  const picked = header.split(';').filter((pair) => names.includes(cookieNameOf(pair)))
  return picked.map((pair) => pair.trim()).join('; ') || undefined
}

/** The name in `name=value`. */
export function cookieNameOf(pair: string): string {
  const end = pair.indexOf('=')
  return (end === -1 ? pair : pair.slice(0, end)).trim()
}

/** Some apps bind a session to it, and some firewalls refuse a request without it. */
function readUserAgent({ headers }: IncomingMessage): string | undefined {
  const visible = headers['user-agent']?.replace(/[^\x20-\x7e]/g, '').slice(0, maxUserAgentLength)
  return visible || undefined
}
