import type { OutboundAnswer } from '../outbound/exchange.ts'
import { OutboundFault, type FaultOutcome } from '../outbound/fault.ts'
import type { Outcome } from '../outcomes.ts'
import { Problem, type ProblemCode } from '../problems.ts'

const minRetryAfterSeconds = 1
const maxRetryAfterSeconds = 300

/** What a failed call says about the vendor. */
interface Nature {
  code: ProblemCode
  /** Whether a second attempt may succeed a moment later. */
  passing?: boolean
  /**
   * For the circuit: whether the vendor, or the way to it, is in trouble. Undefined if the call says
   * nothing about that.
   */
  outage?: boolean
}

const passingOutage: Nature = { code: 'vendor_unavailable', passing: true, outage: true }
const unusable: Nature = { code: 'vendor_bad_response', outage: false }

/** A temporary fault is 503. A fault that an operator must fix is 500. */
const faultNatures: Record<FaultOutcome, Nature> = {
  dns_failure: passingOutage,
  connect_refused: passingOutage,
  connect_timeout: passingOutage,
  reset: passingOutage,
  timeout: { code: 'vendor_timeout', outage: true },
  tls_failure: unusable,
  protocol_error: unusable,
  body_too_large: unusable,
  machine_exhausted: { code: 'overloaded' },
  aborted: { code: 'vendor_unavailable' },
}

/** A call that returned no usable HTTP answer, or one that is not 200. */
export class VendorProblem extends Problem {
  readonly passing: boolean
  readonly outage: boolean | undefined

  constructor(
    { code, passing = false, outage }: Nature,
    circumstances: ConstructorParameters<typeof Problem>[1],
  ) {
    super(code, circumstances)
    this.passing = passing
    this.outage = outage
  }
}

/** The problem for a call without an HTTP answer. */
export function problemOfFault(fault: unknown): VendorProblem {
  if (!(fault instanceof OutboundFault)) throw fault
  const { outcome, detail } = fault
  const nature = faultNatures[outcome]
  const outage = detail === 'stale_socket' ? undefined : nature.outage
  return new VendorProblem({ ...nature, outage }, { diagnosis: { outcome: detail }, cause: fault })
}

/** The problem for an answer that is not 200. It is never 401 or 403, because the user's session is valid. */
export function problemOfStatus(answer: OutboundAnswer): VendorProblem {
  const { status } = answer
  const retryAfterSeconds = pauseOf(answer)
  const [nature, outcome] = judgeStatus(status, retryAfterSeconds !== undefined)
  return new VendorProblem(nature, { retryAfterSeconds, diagnosis: { vendorStatus: status, outcome } })
}

function judgeStatus(status: number, namesPause: boolean): [Nature, Outcome] {
  if (status === 401 || status === 403) return [answered('vendor_rejected_credentials'), 'vendor_auth_failed']
  if (status === 429) return [answered('vendor_rate_limited'), 'vendor_rate_limited']
  if (status === 404) return [answered('vendor_rejected_request'), 'vendor_not_found']
  if (status >= 500) {
    const passing = status === 500 || status === 502 || (status === 503 && !namesPause)
    return [{ code: 'vendor_unavailable', passing, outage: true }, 'vendor_5xx']
  }
  if (status >= 400) return [answered('vendor_rejected_request'), 'vendor_4xx']
  return [unusable, status >= 300 ? 'unexpected_redirect' : 'unexpected_status']
}

function answered(code: ProblemCode): Nature {
  return { code, outage: false }
}

/** For how many seconds the vendor wants no calls (RFC 9110 §15.6.4, RFC 6585 §4). */
export function pauseOf({ status, headers }: OutboundAnswer): number | undefined {
  return status === 429 || status === 503 ? parseRetryAfter(headers['retry-after']) : undefined
}

/**
 * `Retry-After` in seconds (RFC 9110 §10.2.3: a number or an HTTP date), clamped to 1…300; garbage is
 * undefined.
 */
function parseRetryAfter(header: string | string[] | undefined): number | undefined {
  if (typeof header !== 'string') return undefined
  const value = header.trim()
  const seconds = /^\d+$/.test(value) ? Number(value) : secondsUntil(value)
  if (Number.isNaN(seconds)) return undefined
  return Math.min(Math.max(Math.ceil(seconds), minRetryAfterSeconds), maxRetryAfterSeconds)
}

function secondsUntil(date: string): number {
  return /^[A-Z][a-z]{2,8},? /.test(date) ? (Date.parse(date) - Date.now()) / 1000 : Number.NaN
}
