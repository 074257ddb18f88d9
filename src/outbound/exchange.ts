import { channel } from 'node:diagnostics_channel'
import type { Dispatcher } from 'undici'
import { decodeBody } from './content-encoding.ts'
import { OutboundFault, toFault, type Phase } from './fault.ts'

export interface OutboundRequest {
  url: URL
  method: 'GET' | 'POST' | 'OPTIONS'
  headers: Record<string, string>
  body?: string
  /** The caller's trace context. Only for hosts that may see it. */
  traceparent?: string
  /** One deadline for queue, DNS, connect, TLS, headers and body together. */
  timeoutMs: number
  maxBytes: number
  /**
   * `decode` undoes the content encoding. `ignore` resolves with the headers, whatever the body is or does.
   */
  answerBody?: 'decode' | 'ignore'
  signal?: AbortSignal
}

export interface OutboundAnswer {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: string
}

/**
 * One request and its whole answer. Rejects with `OutboundFault` at the deadline or the abort, in any
 * phase.
 */
export function exchange(dispatcher: Dispatcher, request: OutboundRequest): Promise<OutboundAnswer> {
  const { url, method, body } = request
  const headers = headersOf(request)
  return new Promise((resolve, reject) => {
    const receiver = new Receiver(request, resolve, reject)
    if (receiver.ended) return
    const path = url.pathname + url.search
    dispatcher.dispatch({ origin: url.origin, path, method, headers, body: body ?? null }, receiver)
  })
}

const requestCreated = channel('undici:request:create')

/**
 * A subscriber to this channel is an OpenTelemetry SDK, which adds a `traceparent` of its own. A second one
 * would break the trace (W3C Trace Context §4.3).
 */
function headersOf({ headers, traceparent }: OutboundRequest): OutboundRequest['headers'] {
  return traceparent === undefined || requestCreated.hasSubscribers ? headers : { ...headers, traceparent }
}

/**
 * Collects an answer from undici's callbacks. `dispatcher.request` would cost a stream and an abort signal
 * per call, and keeps an aborted caller waiting until a connection is there.
 */
class Receiver implements Dispatcher.DispatchHandler {
  ended = false
  #request: OutboundRequest
  #resolve: (answer: OutboundAnswer) => void
  #reject: (fault: OutboundFault) => void
  #timer: NodeJS.Timeout
  #controller: Dispatcher.DispatchController | undefined
  #phase: Phase = 'connect'
  #status = 0
  #headers: OutboundAnswer['headers'] = {}
  #chunks: Buffer[] = []
  #bytes = 0

  constructor(
    request: OutboundRequest,
    resolve: (answer: OutboundAnswer) => void,
    reject: (fault: OutboundFault) => void,
  ) {
    this.#request = request
    this.#resolve = resolve
    this.#reject = reject
    this.#timer = setTimeout(this.#expire, request.timeoutMs)
    request.signal?.addEventListener('abort', this.#leave)
    if (request.signal?.aborted) this.#leave()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    this.#phase = 'headers'
    if (this.ended) controller.abort(new OutboundFault('aborted'))
  }

  /** Also called for each 1xx before the answer itself. */
  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: OutboundAnswer['headers'],
  ): void {
    if (status < 200) return
    this.#phase = 'body'
    this.#status = status
    this.#headers = headers
    // The rest is still read, within the same bounds, so that the connection can be used again.
    if (this.#request.answerBody === 'ignore') this.#resolve({ status, headers, body: '' })
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#bytes > this.#request.maxBytes) this.#cancel(new OutboundFault('body_too_large'))
    else this.#chunks.push(chunk)
  }

  onResponseEnd(): void {
    if (this.ended) return
    try {
      const body = this.#readBody()
      this.#end()
      this.#resolve({ status: this.#status, headers: this.#headers, body })
    } catch (error) {
      this.#fail(toFault(error, this.#phase))
    }
  }

  #readBody(): string {
    const bytes = Buffer.concat(this.#chunks)
    const { answerBody, maxBytes } = this.#request
    const decoded = answerBody === 'decode' ? decodeBody(bytes, this.#headers, maxBytes) : bytes
    return decoded.toString('utf8')
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    this.#fail(toFault(error, this.#phase))
  }

  readonly #expire = (): void => {
    this.#cancel(new OutboundFault('timeout', { detail: `timeout_${this.#phase}` }))
  }

  readonly #leave = (): void => this.#cancel(new OutboundFault('aborted'))

  #cancel(fault: OutboundFault): void {
    this.#fail(fault)
    this.#controller?.abort(fault)
  }

  #fail(fault: OutboundFault): void {
    if (this.ended) return
    this.#end()
    this.#reject(fault)
  }

  #end(): void {
    this.ended = true
    clearTimeout(this.#timer)
    this.#request.signal?.removeEventListener('abort', this.#leave)
  }
}
