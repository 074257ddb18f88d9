import type { Agent as AgentType, Dispatcher } from 'undici'
import { createConnector } from './connector.ts'
import { exchange, type OutboundAnswer, type OutboundRequest } from './exchange.ts'
import { Agent, loadWhole } from './undici.ts'

export interface HttpClient {
  exchange(request: OutboundRequest): Promise<OutboundAnswer>
  /**
   * Sends https requests through this proxy, or directly, from now on. Exchanges in progress finish as they
   * began.
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
}

/**
 * After this, connections take no further request, so that a changed DNS entry is followed. undici's own
 * `clientTtl` lets requests hang once all connections of a full pool have aged.
 */
const maxConnectionAgeMs = 60_000

/**
 * The one way out of the broker: never follows a redirect, always reads or destroys the body, caps its bytes,
 * and ends at one absolute deadline. Rejects with `OutboundFault`; any HTTP status is an answer.
 */
export function createHttpClient(options: ClientOptions): HttpClient {
  const agentOptions: AgentType.Options = {
    connections: options.maxConnections,
    connect: createConnector({ timeoutMs: options.connectTimeoutMs, ca: options.ca }),
    keepAliveTimeout: 30_000,
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
  let agedAt = performance.now() + maxConnectionAgeMs

  /** Exchanges in progress finish on their old connections. */
  function replaceConnections(): void {
    void dispatcher.close()
    dispatcher = connectBy(httpsProxy)
    agedAt = performance.now() + maxConnectionAgeMs
  }

  return {
    exchange(request) {
      if (performance.now() >= agedAt) replaceConnections()
      return exchange(dispatcher, request)
    },
    useProxy(changed) {
      if (changed === httpsProxy) return
      httpsProxy = changed
      replaceConnections()
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
