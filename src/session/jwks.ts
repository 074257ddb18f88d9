import { hash } from 'node:crypto'
import type { JSONWebKeySet, JWTVerifyGetKey } from 'jose'
import { createLocalJWKSet } from 'jose/jwks/local'
import { createCache } from '../lib/cache.ts'
import { isRecord } from '../lib/json.ts'
import { createTokenBucket } from '../lib/token-bucket.ts'
import type { HttpClient } from '../outbound/client.ts'
import type { OutcomeOf } from '../outcomes.ts'
import { sourceUnavailable } from './credential.ts'
import { askSource, parseSourceJson } from './ask-source.ts'
import { createRefreshed, type Held } from './refreshed.ts'

/** Finds the key for a token's header. Rejects with an error of jose if none fits. */
export type FindKey = JWTVerifyGetKey

export type KeySet = Held<PublishedKeys>

interface PublishedKeys {
  find: FindKey
  kids: ReadonlySet<unknown>
}

/** A set of keys that changes with time. */
export interface Jwks {
  /** Throws `session_source_unavailable` if there are no keys. */
  current(): Promise<KeySet>
  /**
   * A set that may hold a key that `known` lacks, or undefined if the answer is that there is no such key.
   * Throws `session_source_unavailable` while the broker cannot know.
   */
  lookFor(header: TokenHeader, known: KeySet): Promise<KeySet | undefined>
  /** Keys that are newer than `known`. Undefined if the broker may not ask for them now. */
  newerThan(known: KeySet): Promise<KeySet | undefined>
}

interface TokenHeader {
  alg?: string
  kid?: string
}

export interface JwksOptions {
  client: HttpClient
  /** Where the set is: configured, or found by discovery. */
  locate: () => Promise<URL>
  timeoutMs: number
  /** Milliseconds on a monotonic clock. */
  now?: () => number
}

const maxBytes = 256 * 1024
/**
 * Fetches that tokens with unknown keys can cause: three at once, one more every ten seconds. Strangers send
 * such tokens too.
 */
const unknownKeyFetches = { capacity: 3, refillMs: 10_000 }
/** How often a wrong signature can cause a fetch. */
const wrongSignatureCooldownMs = 30_000
const maxUnknownKeys = 1_000
/** How long a key that the provider does not publish stays refused without another fetch. */
const unknownForMs = 10 * 60_000

/** The provider's keys (RFC 7517), fetched again at once when a token hints at a rotation. */
export function createJwks({ now = () => performance.now(), ...options }: JwksOptions): Jwks {
  const keys = createRefreshed(() => fetchKeys(options), now)
  const takeFetch = createTokenBucket({ ...unknownKeyFetches, now })
  const unknown = createCache<{ seenAfter: number; until: number }>(maxUnknownKeys)
  let doubtedUntil = -Infinity

  async function lookFor({ alg, kid }: TokenHeader, known: KeySet): Promise<KeySet | undefined> {
    const { seenAfter } = noteUnknown(JSON.stringify([alg, kid]))
    const held = await keys.current()
    if (held !== known) return held
    // A published key of another kind is not the key of this token, nor is one named by a number (RFC 7515
    // §4.1.4).
    if (kid !== undefined && (typeof kid !== 'string' || held.value.kids.has(kid))) return undefined
    // Only a fetch that began after the key was first seen can tell that the provider does not publish it.
    return held.number > seenAfter ? undefined : keys.renew(admitFetch)
  }

  function noteUnknown(keyName: string) {
    const name = hash('sha256', keyName, 'base64url')
    const noted = unknown.get(name)
    if (noted !== undefined && now() < noted.until) return noted
    const fresh = { seenAfter: keys.begun(), until: now() + unknownForMs }
    unknown.set(name, fresh)
    return fresh
  }

  function admitFetch(): void {
    const waitMs = takeFetch()
    if (waitMs > 0) throw sourceUnavailable('key_not_known_yet', undefined, Math.ceil(waitMs / 1000))
  }

  async function newerThan(known: KeySet): Promise<KeySet | undefined> {
    const held = await keys.current()
    if (held !== known) return held
    if (now() < doubtedUntil) return undefined
    doubtedUntil = now() + wrongSignatureCooldownMs
    return keys.renew()
  }

  return { current: () => keys.current(), lookFor, newerThan }
}

async function fetchKeys({ client, locate, timeoutMs }: JwksOptions): Promise<PublishedKeys> {
  const deadline = performance.now() + timeoutMs
  const url = await locate()
  const answer = await askSource(client, {
    url,
    method: 'GET',
    headers: { accept: 'application/jwk-set+json, application/json' },
    timeoutMs: Math.max(1, deadline - performance.now()),
    maxBytes,
  })
  if (answer.status !== 200) throw sourceUnavailable(`answer_status_${answer.status}`)
  return importKeys(parseSourceJson(answer.body))
}

function importKeys(document: unknown): PublishedKeys {
  try {
    const set = withFreeEdwardsKeys(document as JSONWebKeySet)
    return { find: createLocalJWKSet(set), kids: new Set(set.keys.map(({ kid }) => kid)) }
  } catch (error) {
    throw sourceUnavailable(nameOtherDocument(document), error)
  }
}

/** An Ed25519 key serves EdDSA and Ed25519 (RFC 9864), whichever of the two names it bears. */
function withFreeEdwardsKeys(set: JSONWebKeySet): JSONWebKeySet {
  const keys = set.keys.map((key) => (key.kty === 'OKP' ? { ...key, alg: undefined } : key))
  return { ...set, keys }
}

/** What the configured address returns instead of a key set. */
function nameOtherDocument(document: unknown): OutcomeOf<'session_source_unavailable'> {
  if (!isRecord(document) || 'keys' in document) return 'answer_not_a_key_set'
  if (typeof document.jwks_uri === 'string') return 'answer_discovery_document'
  const values = Object.values(document)
  const certificates =
    values.length > 0 && values.every((value) => String(value).startsWith('-----BEGIN CERT'))
  return certificates ? 'answer_certificate_map' : 'answer_not_a_key_set'
}
