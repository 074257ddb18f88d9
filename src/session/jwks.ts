import type { JSONWebKeySet, JWTVerifyGetKey } from 'jose'
import { createLocalJWKSet } from 'jose/jwks/local'
import type { HttpClient } from '../outbound/client.ts'
import { Problem } from '../problems.ts'
import { sourceUnavailable } from './credential.ts'
import { askSource, parseSourceJson } from './ask-source.ts'

/** Finds the key for a token's header; rejects with an error of jose where none fits. */
export type FindKey = JWTVerifyGetKey

/** A set of keys that changes with time. */
export interface Jwks {
  /** Throws `session_source_unavailable` where there are no keys. */
  current(): Promise<FindKey>
  /** Keys that are newer than `known`, as far as it may ask for them now; undefined where it may not. */
  newerThan(known: FindKey): Promise<FindKey | undefined>
}

export interface JwksOptions {
  client: HttpClient
  url: URL
  timeoutMs: number
  /** Milliseconds on a monotonic clock. */
  now?: () => number
}

interface KeySet {
  find: FindKey
  freshUntil: number
  usableUntil: number
}

const maxBytes = 256 * 1024
const refreshAfterMs = 10 * 60_000
const usableForMs = 60 * 60_000
/** How often a token with an unknown key may make the broker ask, whoever sent it. */
const doubtCooldownMs = 30_000
/** How long a failing provider is left alone; it is what `Retry-After` of the 503 says. */
const failureCooldownMs = 5_000
/** The same, while the keys that are held still serve. */
const staleRetryMs = 30_000

/**
 * The provider's keys (RFC 7517), fetched when first needed, again every ten minutes, and at once when a token hints
 * at a rotation. While the provider fails, keys serve for up to an hour; then the outage is an outage.
 */
export function createJwks({ client, url, timeoutMs, now = () => performance.now() }: JwksOptions): Jwks {
  let held: KeySet | undefined
  let fetching: Promise<FindKey> | undefined
  let failure: { problem: Problem; until: number } | undefined
  let doubtedUntil = -Infinity

  async function current(): Promise<FindKey> {
    if (held !== undefined && now() < held.freshUntil) return held.find
    try {
      return await renew()
    } catch (error) {
      if (held === undefined || now() >= held.usableUntil) throw error
      held.freshUntil = Math.min(now() + staleRetryMs, held.usableUntil)
      return held.find
    }
  }

  async function newerThan(known: FindKey): Promise<FindKey | undefined> {
    if (fetching === undefined && held !== undefined && held.find !== known) return held.find
    if (fetching === undefined && failure === undefined && now() < doubtedUntil) return undefined
    doubtedUntil = now() + doubtCooldownMs
    return renew()
  }

  /** One fetch at a time, and none while the last failure is young: a failing provider is not hammered. */
  function renew(): Promise<FindKey> {
    if (fetching !== undefined) return fetching
    if (failure !== undefined && now() < failure.until) return Promise.reject(failure.problem)
    fetching = fetchAndHold().finally(() => {
      fetching = undefined
    })
    return fetching
  }

  async function fetchAndHold(): Promise<FindKey> {
    try {
      const find = await fetchKeys(client, url, timeoutMs)
      failure = undefined
      held = { find, freshUntil: now() + refreshAfterMs, usableUntil: now() + usableForMs }
      return find
    } catch (error) {
      if (error instanceof Problem) failure = { problem: error, until: now() + failureCooldownMs }
      throw error
    }
  }

  return { current, newerThan }
}

async function fetchKeys(client: HttpClient, url: URL, timeoutMs: number): Promise<FindKey> {
  const headers = { accept: 'application/jwk-set+json, application/json', 'accept-encoding': 'identity' }
  const answer = await askSource(client, { url, method: 'GET', headers, timeoutMs, maxBytes })
  if (answer.status !== 200) throw sourceUnavailable(`answer_status_${answer.status}`)
  const set = parseSourceJson(answer.body)
  try {
    return createLocalJWKSet(set as JSONWebKeySet)
  } catch (error) {
    throw sourceUnavailable('answer_not_a_key_set', error)
  }
}
