import { putFirst } from '../lib/order.ts'
import type { HttpClient } from '../outbound/client.ts'
import type { OutboundAnswer, OutboundRequest } from '../outbound/exchange.ts'
import { askSource } from './ask-source.ts'
import { createLocator, type Endpoint } from './discovery.ts'

/** How the server knows the broker. */
export interface IntrospectionClient {
  endpoint: Endpoint
  clientId: string
  /** The one in use, and a second while it is being replaced. */
  clientSecrets: readonly string[]
}

export interface AskOptions extends IntrospectionClient {
  client: HttpClient
  timeoutMs: number
  /** Hosts that may be asked by plain http. */
  httpHosts?: readonly string[]
}

/** Asks the server about one token. */
type Ask = (token: string, signal: AbortSignal, traceparent?: string) => Promise<OutboundAnswer>

/** The parts of a request that do not depend on how the client authenticates. */
type Question = Pick<OutboundRequest, 'body' | 'signal' | 'traceparent'> & { endsAt: number }

const maxBytes = 64 * 1024

/**
 * Tries the ways in which the server may know the broker one after the other, within one deadline. Begins
 * with the one that the server accepted last.
 */
export function createAsk(options: AskOptions): Ask {
  const { client, clientId, clientSecrets, timeoutMs } = options
  const locate = createLocator(options.endpoint, 'introspection_endpoint', options)
  const ways = encodeCredentials(clientId, clientSecrets)
  let preferred = ways[0]!

  async function askBy(authorization: string, { endsAt, ...question }: Question) {
    const headers = {
      accept: 'application/json',
      authorization,
      'content-type': 'application/x-www-form-urlencoded',
    }
    const url = await locate()
    const leftMs = Math.max(1, endsAt - performance.now())
    return askSource(client, { ...question, url, method: 'POST', headers, timeoutMs: leftMs, maxBytes })
  }

  return async (token, signal, traceparent) => {
    const endsAt = performance.now() + timeoutMs
    // In the body: a URL ends up in access logs (RFC 7662 §4).
    const body = new URLSearchParams({ token, token_type_hint: 'access_token' }).toString()
    const question = { body, signal, traceparent, endsAt }
    let answer: OutboundAnswer | undefined
    for (const way of putFirst(preferred, ways)) {
      answer = await askBy(way, question)
      if (isClientUnknown(answer)) continue
      preferred = way
      break
    }
    return answer!
  }
}

/**
 * RFC 6749 §2.3.1 has both halves form-encoded, so that a colon in one of them survives. Some servers do not
 * decode them: for these, the plain form follows if it differs.
 */
function encodeCredentials(clientId: string, clientSecrets: readonly string[]): string[] {
  const pairs = clientSecrets.flatMap((secret) => [
    `${formEncode(clientId)}:${formEncode(secret)}`,
    `${clientId}:${secret}`,
  ])
  return [...new Set(pairs)].map((pair) => `Basic ${Buffer.from(pair).toString('base64')}`)
}

function formEncode(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}

function isClientUnknown({ status, body }: OutboundAnswer): boolean {
  return status === 401 || (status === 400 && body.includes('"invalid_client"'))
}
