import { isRecord } from '../lib/json.ts'
import type { HttpClient } from '../outbound/client.ts'
import { askSource, parseSourceJson } from './ask-source.ts'
import { sourceUnavailable } from './credential.ts'
import { createRefreshed } from './refreshed.ts'
import { isSourceAddress } from './source-address.ts'

/** An endpoint of a provider: at a configured address, or where the issuer's discovery document says. */
export type Endpoint = { url: URL } | { issuer: string }

interface DiscoveryOptions {
  client: HttpClient
  timeoutMs: number
  /** Hosts that may be asked by plain http. */
  httpHosts?: readonly string[]
}

const maxBytes = 256 * 1024

/**
 * Finds the address of an endpoint. For an issuer, it is in a field of the discovery document (OpenID Connect
 * Discovery 1.0 §4), which is requested when first needed, and kept like a key set. Rejects with
 * `session_source_unavailable`.
 */
export function createLocator(
  endpoint: Endpoint,
  field: string,
  options: DiscoveryOptions,
): () => Promise<URL> {
  if ('url' in endpoint) return () => Promise.resolve(endpoint.url)
  const { issuer } = endpoint
  const address = createRefreshed(
    async () => readAddress(await fetchDocument(issuer, options), field, issuer, options),
    () => performance.now(),
  )
  return async () => (await address.current()).value
}

/** The address by which this endpoint is part of a verifier's id. */
export function nameEndpoint(endpoint: Endpoint): string {
  return 'url' in endpoint ? endpoint.url.href : `discovery ${endpoint.issuer}`
}

/** One trailing slash of the issuer is dropped before the well-known path (§4.1). */
async function fetchDocument(issuer: string, { client, timeoutMs }: DiscoveryOptions): Promise<unknown> {
  const url = new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
  const headers = { accept: 'application/json' }
  const { status, body } = await askSource(client, { url, method: 'GET', headers, timeoutMs, maxBytes })
  if (status !== 200) throw sourceUnavailable(`discovery_status_${status}`)
  return parseSourceJson(body)
}

/** Another issuer's document would have its keys accepted for ours (§4.3). */
function readAddress(document: unknown, field: string, issuer: string, options: DiscoveryOptions): URL {
  if (!isRecord(document)) throw sourceUnavailable('discovery_not_a_document')
  if (document.issuer !== issuer) throw sourceUnavailable('discovery_issuer_differs')
  const address = document[field]
  if (typeof address !== 'string') throw sourceUnavailable('discovery_address_missing')
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url === undefined || !isAllowed(url, issuer, options))
    throw sourceUnavailable('discovery_address_refused')
  return url
}

/** The rules of a configured address apply. A document from https must not name a plain http address. */
function isAllowed(url: URL, issuer: string, { httpHosts = [] }: DiscoveryOptions): boolean {
  if (url.username !== '' || url.password !== '' || url.hash !== '') return false
  if (issuer.startsWith('https:') && url.protocol !== 'https:') return false
  return isSourceAddress(url, httpHosts)
}
