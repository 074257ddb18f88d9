import type { OutboundAnswer } from '../http/exchange.ts'
import type { OutboundFault } from '../http/fault.ts'
import { Problem } from '../problems.ts'

const minRetryAfterSeconds = 1
const maxRetryAfterSeconds = 300

/** The problem of a call that brought no HTTP answer: what heals by itself is 503, what an operator must mend 500. */
export function problemOfFault(fault: OutboundFault): Problem {
  const circumstances = { diagnosis: { outcome: fault.outcome }, cause: fault }
  switch (fault.outcome) {
    case 'timeout':
      return new Problem('vendor_timeout', circumstances)
    case 'tls_failure':
    case 'protocol_error':
    case 'body_too_large':
      return new Problem('vendor_bad_response', circumstances)
    default:
      return new Problem('vendor_unavailable', circumstances)
  }
}

/** The problem of an answer that is not 200; never 401 or 403, since the user's session was fine. */
export function problemOfStatus({ status, headers }: OutboundAnswer): Problem {
  const diagnosis = { vendorStatus: status }
  const retryAfterSeconds = parseRetryAfter(headers['retry-after'])
  if (status === 401 || status === 403) {
    return new Problem('vendor_rejected_credentials', {
      diagnosis: { ...diagnosis, outcome: 'vendor_auth_failed' },
    })
  }
  if (status === 429) {
    return new Problem('vendor_rate_limited', {
      retryAfterSeconds,
      diagnosis: { ...diagnosis, outcome: 'vendor_rate_limited' },
    })
  }
  if (status >= 500) {
    return new Problem('vendor_unavailable', {
      retryAfterSeconds,
      diagnosis: { ...diagnosis, outcome: 'vendor_5xx' },
    })
  }
  if (status >= 400) {
    const outcome = status === 404 ? 'vendor_not_found' : 'vendor_4xx'
    return new Problem('vendor_rejected_request', { diagnosis: { ...diagnosis, outcome } })
  }
  const outcome = status >= 300 ? 'unexpected_redirect' : 'unexpected_status'
  return new Problem('vendor_bad_response', { diagnosis: { ...diagnosis, outcome } })
}

/** `Retry-After` in seconds (RFC 9110 §10.2.3: a number or an HTTP date), clamped to 1…300; garbage is undefined. */
export function parseRetryAfter(header: string | string[] | undefined): number | undefined {
  if (typeof header !== 'string') return undefined
  const value = header.trim()
  const seconds = /^\d+$/.test(value) ? Number(value) : secondsUntil(value)
  if (Number.isNaN(seconds)) return undefined
  return Math.min(Math.max(Math.ceil(seconds), minRetryAfterSeconds), maxRetryAfterSeconds)
}

function secondsUntil(date: string): number {
  return /^[A-Z][a-z]{2,8},? /.test(date) ? (Date.parse(date) - Date.now()) / 1000 : Number.NaN
}
