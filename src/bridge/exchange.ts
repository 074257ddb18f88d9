import { toMs } from './page.ts'
import { warn } from './report.ts'

/** What one request to the broker led to. */
export interface Outcome {
  /** HTTP status; 0 for a redirect, -1 if there was no readable answer. */
  status: number
  /** The problem code, or one of ours if the answer has none. */
  code: string
  /** The answer. Absent if nothing was sent or nothing came back. */
  body?: Record<string, unknown>
  retryAfterMs?: number
  /** Names the request in the broker's log. Absent if the answer has none. */
  requestId?: string | undefined
}

/** Returns the headers of a caller without a cookie. Called for each request. */
export type HeadersFunction = () => unknown

/** What a request is made with. */
export interface Caller {
  readonly url: URL
  readonly headers: HeadersFunction | undefined
  /** The request that the fast start has sent already. */
  early: Promise<Response> | undefined
}

/** What the broker's preflight allows. */
const ALLOWED = /^(authorization|cache-control|content-type|email|x-requested-with|traceparent|tracestate)$/

/** Asks the broker once. Never rejects. */
export async function exchange(caller: Caller, renew: boolean, signal: AbortSignal): Promise<Outcome> {
  let code = 'headers'
  const attempt = async () => {
    const given = await caller.headers?.()
    if (given === null) return { status: 401, code: 'session_missing' }
    const allowed = toHeaders(given)
    code = 'network'
    const { url, early } = caller
    caller.early = undefined
    return read(
      await (early ??
        fetch(url, {
          method: 'POST',
          credentials: 'include',
          redirect: 'manual',
          headers: allowed,
          cache: renew ? 'reload' : 'default',
          signal,
        })),
    )
  }
  // The signal stops neither the headers function nor the request of the fast start.
  const aborted = new Promise<never>((_resolve, reject) => signal.addEventListener('abort', reject))
  try {
    return await Promise.race([attempt(), aborted])
  } catch {
    return { status: -1, code }
  }
}

/** Other headers would fail the preflight, and with it the request. */
function toHeaders(given: unknown): Headers {
  const headers = new Headers({ Accept: 'application/json' })
  new Headers(given as HeadersInit).forEach((value, name) => {
    if (ALLOWED.test(name)) headers.set(name, value)
    else warn('header', name)
  })
  return headers
}

async function read(response: Response): Promise<Outcome> {
  const { status, headers } = response
  const text = await response.text()
  const body = JSON.parse(/^\s*{/.test(text) ? text : '{}')
  const retryAfterMs = toMs(headers.get('Retry-After'))
  const code = typeof body.code === 'string' ? body.code : status < 400 ? 'no_token' : `http_${status}`
  return { status, code, body, retryAfterMs, requestId: headers.get('X-Request-Id') ?? undefined }
}
