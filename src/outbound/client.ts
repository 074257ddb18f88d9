import type { Agent as AgentType, Dispatcher } from 'undici'
import { createConnector } from './connector.ts'
import { exchange, type OutboundAnswer, type OutboundRequest } from './exchange.ts'
import { Agent, loadWhole, Pool } from './undici.ts'

export interface HttpClient {
  exchange(request: OutboundRequest): Promise<OutboundAnswer>
  /**
   * Sends https requests through this proxy, or directly, from now on. Exchanges under way end as they began.
   */
  useProxy(httpsProxy: string | undefined): void
  close(): Promise<void>
}

interface ClientOptions {
  maxConnections: number
  connectTimeoutMs: number
  httpsProxy?: string
  noProxy?: string
  /** A certificate authority to trust in place of the system's (PEM). */
  ca?: string
  /** Of one answer, all lines together. */
  maxHeaderBytes?: number
  /** After this, a connection takes no further request and a new one looks the host up again. */
  maxConnectionAgeMs?: number
}

/**
 * The one way out of the broker: never follows a redirect, always reads or destroys the body, caps its bytes,
 * and ends at one absolute deadline. Rejects with `OutboundFault`; any HTTP status is an answer.
 */
export function createHttpClient(options: ClientOptions): HttpClient {
  const agentOptions: AgentType.Options = {
    connections: options.maxConnections,
    connect: createConnector({ timeoutMs: options.connectTimeoutMs, ca: options.ca }),
    keepAliveTimeout: 30_000,
    // A host whose DNS entry changes must not be asked at its former address for as long as there are
    // requests.
    clientTtl: options.maxConnectionAgeMs ?? 60_000,
    // The agent's own choice for a single connection is a client, which knows no age.
    factory: (origin, poolOptions) => new Pool(origin, poolOptions),
    maxHeaderSize: options.maxHeaderBytes ?? 16_384,
    // The deadline of each exchange covers headers and body; a timer for gaps would never catch a slow stream
    // of bytes.
    headersTimeout: 0,
    bodyTimeout: 0,
  }
  const connectBy = (proxy: string | undefined) =>
    proxy === undefined
      ? new Agent(agentOptions)
      : createProxyAgent(agentOptions, { ...options, httpsProxy: proxy })
  let { httpsProxy } = options
  let dispatcher: Dispatcher = connectBy(httpsProxy)
  return {
    exchange: (request) => exchange(dispatcher, request),
    useProxy(changed) {
      if (changed === httpsProxy) return
      void dispatcher.close()
      httpsProxy = changed
      dispatcher = connectBy(changed)
    },
    close: () => dispatcher.destroy(),
  }
}

/**
 * https through the proxy's tunnel, except for the hosts in NO_PROXY. TLS ends at the destination in both
 * cases.
 */
function createProxyAgent(
  agentOptions: AgentType.Options,
  { connectTimeoutMs, httpsProxy, noProxy = '', ca }: ClientOptions,
): Dispatcher {
  const { EnvHttpProxyAgent, Pool } = loadWhole()
  return new EnvHttpProxyAgent({
    ...agentOptions,
    httpProxy: '',
    httpsProxy,
    noProxy,
    proxyTls: { timeout: connectTimeoutMs },
    requestTls: { timeout: connectTimeoutMs, ca },
    // A proxy that never answers CONNECT must not occupy the pool for undici's default of five minutes.
    clientFactory: (origin, poolOptions) =>
      new Pool(origin, { ...poolOptions, headersTimeout: connectTimeoutMs }),
  })
}
