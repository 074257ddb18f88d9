import type { Outcome } from './outcomes.ts'

interface Refusal {
  status: number
  title: string
  detail: string
  retryAfterSeconds?: number
}

/** Every refusal, with the only texts that a caller ever sees. Nothing of a request is echoed. */
const refusals = {
  bad_request: {
    status: 400,
    title: 'Bad request',
    detail: 'The request is malformed, or has two different credentials of the same kind.',
  },
  session_missing: {
    status: 401,
    title: 'No session',
    detail: 'The request has no session of your app.',
  },
  session_invalid: {
    status: 401,
    title: 'Session refused',
    detail: 'The session has expired, was revoked, or is not valid here.',
  },
  origin_not_allowed: {
    status: 403,
    title: 'Origin not allowed',
    detail:
      'ALLOWED_ORIGINS does not list the origin of the page, or the request does not come from a script.',
  },
  identity_unusable: {
    status: 403,
    title: 'No usable identity',
    detail: 'The session is valid, but has no usable email or user identifier in the configured claim.',
  },
  email_unverified: {
    status: 403,
    title: 'Email not verified',
    detail: 'The session is valid, but its email address is not verified.',
  },
  email_domain_not_allowed: {
    status: 403,
    title: 'Email domain not allowed',
    detail: 'The session is valid, but its email domain is not allowed here.',
  },
  not_found: {
    status: 404,
    title: 'Not found',
    detail: 'Paths are case-sensitive and must match exactly. A proxy that adds a prefix must strip it.',
  },
  method_not_allowed: { status: 405, title: 'Method not allowed', detail: 'See the Allow header.' },
  payload_too_large: {
    status: 413,
    title: 'Payload too large',
    detail: 'A request body may have at most 1 KiB.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'Unsupported media type',
    detail: 'A request body must be application/json without content encoding.',
  },
  rate_limited: {
    status: 429,
    title: 'Too many requests',
    detail: 'Wait for the number of seconds in Retry-After, then try again.',
    retryAfterSeconds: 60,
  },
  internal: {
    status: 500,
    title: 'Internal error',
    detail: 'The log shows the cause under this request id.',
  },
  vendor_rejected_credentials: {
    status: 500,
    title: 'Vendor refused the API key',
    detail:
      'The operator must check WIDGET_API_KEY and WIDGET_COMMUNITY_ID, or RAI_ACCESS_ID and RAI_ACCESS_KEY.',
  },
  vendor_rejected_request: {
    status: 500,
    title: 'Vendor refused the request',
    detail: 'The operator must check WIDGET_COMMUNITY_ID and WIDGET_BASE_URL, or RAI_API_URL.',
  },
  vendor_bad_response: {
    status: 500,
    title: 'Unusable vendor response',
    detail: 'The vendor sent no usable token. The operator must check WIDGET_BASE_URL or RAI_API_URL.',
  },
  vendor_unavailable: {
    status: 503,
    title: 'Vendor unavailable',
    detail:
      'The vendor is unreachable or failing. Wait for the number of seconds in Retry-After, then try again.',
    retryAfterSeconds: 5,
  },
  vendor_timeout: {
    status: 503,
    title: 'Vendor too slow',
    detail:
      'The vendor did not answer in time. Wait for the number of seconds in Retry-After, then try again.',
    retryAfterSeconds: 5,
  },
  vendor_rate_limited: {
    status: 503,
    title: 'Vendor rate limit',
    detail:
      'The vendor limits the rate of requests. Wait for the number of seconds in Retry-After, then try again.',
    retryAfterSeconds: 10,
  },
  session_source_unavailable: {
    status: 503,
    title: 'Session source unavailable',
    detail:
      'The session source gave no clear answer. Wait for the number of seconds in Retry-After, then try again.',
    retryAfterSeconds: 5,
  },
  overloaded: {
    status: 503,
    title: 'Overloaded',
    detail:
      'Too many requests are waiting for the vendor. Wait for the number of seconds in Retry-After, then try again.',
    retryAfterSeconds: 2,
  },
  shutting_down: {
    status: 503,
    title: 'Shutting down',
    detail: 'This replica is stopping. Wait for the number of seconds in Retry-After, then try again.',
    retryAfterSeconds: 1,
  },
} satisfies Record<string, Refusal>

export type ProblemCode = keyof typeof refusals

export const problemCodes = Object.keys(refusals) as ProblemCode[]

/** The status and the texts of a refusal. */
export const refusalOf = (code: ProblemCode): Refusal => refusals[code]

/** What the log may say about the cause: our own words and numbers, never text from outside. */
export interface Diagnosis {
  outcome?: Outcome
  vendorStatus?: number
  vendorMs?: number
  attempts?: number
  keyId?: string
  /** The configured name of a claim that a session lacks. */
  claim?: string
  errorName?: string
  stack?: string[]
}

interface Circumstances {
  /** Headers of the answer, by lower-case name. */
  headers?: Record<Lowercase<string>, string>
  retryAfterSeconds?: number
  diagnosis?: Diagnosis
  cause?: unknown
}

/**
 * A refusal on its way to the caller (RFC 9457). Any code may throw it; only `http/write-problem.ts` writes
 * it.
 */
export class Problem extends Error {
  readonly code: ProblemCode
  readonly status: number
  readonly headers: Record<Lowercase<string>, string>
  readonly diagnosis: Diagnosis

  constructor(
    code: ProblemCode,
    { headers = {}, retryAfterSeconds, diagnosis = {}, cause }: Circumstances = {},
  ) {
    super(code, { cause })
    const refusal = refusalOf(code)
    const retryAfter = retryAfterSeconds ?? refusal.retryAfterSeconds
    this.code = code
    this.status = refusal.status
    this.headers = retryAfter === undefined ? headers : { ...headers, 'retry-after': String(retryAfter) }
    this.diagnosis = diagnosis
  }
}

/** The answer to a refused request (RFC 9457). */
export interface ProblemDocument {
  type: string
  title: string
  status: number
  code: ProblemCode
  detail: string
  requestId: string
}

/**
 * The document of a refusal as JSON. `status` differs from the code's own only if the HTTP parser refused
 * the request.
 */
export function problemDocument(
  code: ProblemCode,
  requestId: string,
  status: number = refusals[code].status,
): string {
  const { title, detail: text } = refusals[code]
  const detail = `${text} See docs/problems.md#${code}.`
  const type = `urn:returning-ai-token-broker:${code}`
  return JSON.stringify({ type, title, status, code, detail, requestId } satisfies ProblemDocument)
}
