import { warn } from './report.ts'

/** What one request to the broker led to. */
export interface Outcome {
  /** HTTP status; 0 for a redirect, -1 when there was no readable answer. */
  status: number
  /** The problem code, or ours where the answer has none. */
  code: string
  body: Record<string, unknown>
  retryAfterMs: number
  /** By which the broker's log names the request, where an answer had one. */
  requestId?: string | undefined
  /** No request was sent: the page itself says that nobody is signed in. */
  unsent?: boolean
}

export type HeadersFunction = () => unknown

export interface Question {
  url: string
  renew: boolean
  /** Gives the headers of a caller without a cookie; called anew for each request. */
  headers?: HeadersFunction | undefined
  /** The request that the fast start has sent already. */
  early?: Promise<Response> | undefined
}

const NOTHING = { body: {}, retryAfterMs: 0 }
const TIMEOUT_MS = 15_000
/** What the broker's preflight allows. */
const ALLOWED = /^(authorization|cache-control|content-type|email|x-requested-with|traceparent|tracestate)$/

/** Asks the broker once. Never rejects. */
export async function exchange(question: Question, request: AbortController): Promise<Outcome> {
  const timer = setTimeout(() => request.abort(), TIMEOUT_MS)
  let code = 'headers'
  try {
    const given = question.headers && (await before(request.signal, question.headers()))
    if (given === null) return { ...NOTHING, status: 401, code: 'session_missing', unsent: true }
    const headers = toHeaders(given, question)
    code = 'network'
    return await read(await before(request.signal, question.early ?? send(question, headers, request.signal)))
  } catch {
    return { ...NOTHING, status: -1, code }
  } finally {
    clearTimeout(timer)
  }
}

function send({ url, renew }: Question, headers: Headers, signal: AbortSignal): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    credentials: 'include',
    headers,
    redirect: 'manual',
    cache: renew ? 'reload' : 'default',
    signal,
  })
}

/** Other headers would fail the preflight, and with it the request. */
function toHeaders(given: unknown, { headers: provider, url }: Question): Headers {
  const headers = new Headers({ Accept: 'application/json' })
  if (!provider) return headers
  if (typeof given !== 'object') throw new TypeError('headers() must resolve to headers or null')
  new Headers(given as HeadersInit).forEach((value, name) => {
    if (ALLOWED.test(name)) headers.set(name, value)
    else warn('header', url, `${name} is not sent: the broker allows no such header`)
  })
  return headers
}

async function read(response: Response): Promise<Outcome> {
  const { status } = response
  const text = await response.text()
  const body = JSON.parse(/^\s*{/.test(text) ? text : '{}')
  const retryAfterMs = Math.min(Number(response.headers.get('Retry-After')) * 1000 || 0, 1e9)
  const code = typeof body.code === 'string' ? body.code : status < 400 ? 'no_token' : `http_${status}`
  const requestId = response.headers.get('X-Request-Id') ?? undefined
  return { status, code, body, retryAfterMs, requestId }
}

/** Whether trying again may help. A 5xx without a problem code is a proxy's. */
export function isPassing({ status, body }: Outcome): boolean {
  return status < 0 || status === 429 || status === 503 || (status >= 500 && typeof body.code !== 'string')
}

function before<Result>(signal: AbortSignal, work: Result | Promise<Result>): Promise<Result> {
  const aborted = new Promise<never>((_resolve, reject) => signal.addEventListener('abort', reject))
  return Promise.race([work, aborted])
}
