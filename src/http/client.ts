import { Agent, EnvHttpProxyAgent, type Dispatcher } from 'undici'

export interface OutboundRequest {
  url: URL
  method: 'GET' | 'POST'
  headers: Record<string, string>
  body?: string
  /** One deadline for queue, DNS, connect, TLS, headers and body together. */
  timeoutMs: number
  maxBytes: number
  signal?: AbortSignal
}

export interface OutboundAnswer {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: string
}

export type FaultOutcome =
  | 'dns_failure'
  | 'connect_refused'
  | 'connect_timeout'
  | 'tls_failure'
  | 'timeout'
  | 'reset'
  | 'protocol_error'
  | 'body_too_large'
  | 'aborted'

/** A call that brought no whole HTTP answer. Carries a word of ours: a library's message may quote a header. */
export class OutboundFault extends Error {
  readonly outcome: FaultOutcome

  constructor(outcome: FaultOutcome, cause?: unknown) {
    super(outcome, { cause })
    this.outcome = outcome
  }
}

export interface HttpClient {
  exchange(request: OutboundRequest): Promise<OutboundAnswer>
  close(): Promise<void>
}

interface ClientOptions {
  maxConnections: number
  connectTimeoutMs: number
  httpsProxy?: string
  noProxy?: string
}

/**
 * The one way out of the broker: never follows a redirect, always reads or destroys the body, caps its bytes,
 * and ends at one absolute deadline. Rejects with `OutboundFault`; any HTTP status is an answer.
 */
export function createHttpClient(options: ClientOptions): HttpClient {
  const dispatcher = createDispatcher(options)
  return {
    exchange: (request) => exchange(dispatcher, request),
    close: () => dispatcher.destroy(),
  }
}

function createDispatcher({
  maxConnections,
  connectTimeoutMs,
  httpsProxy,
  noProxy,
}: ClientOptions): Dispatcher {
  const options: Agent.Options = {
    connections: maxConnections,
    connect: { timeout: connectTimeoutMs },
    keepAliveTimeout: 30_000,
    maxHeaderSize: 16_384,
    // The deadline of each exchange covers headers and body; a gap timer would never catch a slow drip.
    headersTimeout: 0,
    bodyTimeout: 0,
  }
  if (httpsProxy === undefined) return new Agent(options)
  return new EnvHttpProxyAgent({ ...options, httpProxy: '', httpsProxy, noProxy: noProxy ?? '' })
}

async function exchange(dispatcher: Dispatcher, request: OutboundRequest): Promise<OutboundAnswer> {
  const controller = new AbortController()
  const expire = () => controller.abort(new OutboundFault('timeout'))
  const leave = () => controller.abort(new OutboundFault('aborted'))
  const timer = setTimeout(expire, request.timeoutMs)
  request.signal?.addEventListener('abort', leave, { once: true })
  if (request.signal?.aborted) leave()
  try {
    const { url, method, headers, body, maxBytes } = request
    const answer = await dispatcher.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method,
      headers,
      body: body ?? null,
      signal: controller.signal,
    })
    return { status: answer.statusCode, headers: answer.headers, body: await readBody(answer.body, maxBytes) }
  } catch (error) {
    throw toFault(error)
  } finally {
    clearTimeout(timer)
    request.signal?.removeEventListener('abort', leave)
  }
}

async function readBody(body: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > maxBytes) throw new OutboundFault('body_too_large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const outcomes: Record<string, FaultOutcome> = {
  ENOTFOUND: 'dns_failure',
  EAI_AGAIN: 'dns_failure',
  ECONNREFUSED: 'connect_refused',
  EHOSTUNREACH: 'connect_refused',
  ENETUNREACH: 'connect_refused',
  ETIMEDOUT: 'connect_timeout',
  UND_ERR_CONNECT_TIMEOUT: 'connect_timeout',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  UND_ERR_SOCKET: 'reset',
  UND_ERR_ABORTED: 'connect_refused',
  EPROTO: 'tls_failure',
}

const tlsCode = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA)/

function toFault(error: unknown): OutboundFault {
  if (error instanceof OutboundFault) return error
  const code = String((error as { code?: unknown } | undefined)?.code)
  if (tlsCode.test(code)) return new OutboundFault('tls_failure', error)
  return new OutboundFault(outcomes[code] ?? 'protocol_error', error)
}
