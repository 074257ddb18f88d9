export type FaultOutcome =
  | 'dns_failure'
  | 'connect_refused'
  | 'connect_timeout'
  | 'tls_failure'
  | 'timeout'
  | 'reset'
  | 'protocol_error'
  | 'body_too_large'
  | 'machine_exhausted'
  | 'aborted'

/** The phase of an exchange. */
export type Phase = 'connect' | 'headers' | 'body'

type FaultDetail = FaultOutcome | `timeout_${Phase}` | ResetDetail

type ResetDetail = 'reset' | 'reset_body' | 'truncated' | 'stale_socket'

/**
 * A call without a complete HTTP answer. Has only our own words, because a library's message may quote a
 * header.
 */
export class OutboundFault extends Error {
  readonly outcome: FaultOutcome
  /** The outcome, and in which phase it came: `timeout_body`, `stale_socket`. */
  readonly detail: FaultDetail

  constructor(outcome: FaultOutcome, { detail = outcome, cause }: FaultCircumstances = {}) {
    super(outcome, { cause })
    this.outcome = outcome
    this.detail = detail
  }
}

interface FaultCircumstances {
  detail?: FaultDetail
  cause?: unknown
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
  // A proxy that does not open the tunnel.
  UND_ERR_ABORTED: 'connect_refused',
  UND_ERR_HEADERS_TIMEOUT: 'connect_timeout',
  UND_ERR_PRX_TLS: 'tls_failure',
  UND_ERR_DESTROYED: 'aborted',
  UND_ERR_CLOSED: 'aborted',
  EPROTO: 'tls_failure',
  // Our own machine is out of file descriptors, memory or ports, which is not the other side's fault.
  EMFILE: 'machine_exhausted',
  ENFILE: 'machine_exhausted',
  ENOMEM: 'machine_exhausted',
  ENOBUFS: 'machine_exhausted',
  EADDRNOTAVAIL: 'machine_exhausted',
}

// Node's own codes, OpenSSL's, and those of X.509 verification.
const tlsCode =
  /^(ERR_TLS|ERR_SSL|CERT_|CRL_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERROR_IN_|HOSTNAME_MISMATCH|INVALID_|PATH_LENGTH)/

/** Names the fault by the error's code, never by its message, which changes and may quote a secret. */
export function toFault(error: unknown, phase: Phase): OutboundFault {
  if (error instanceof OutboundFault) return error
  const { code, socket, bytesRead = socket?.bytesRead } = error as SocketTrouble
  const outcome = tlsCode.test(String(code)) ? 'tls_failure' : (outcomes[String(code)] ?? 'protocol_error')
  const detail = outcome === 'reset' ? nameReset(phase, code, bytesRead) : outcome
  return new OutboundFault(outcome, { detail, cause: error })
}

interface SocketTrouble {
  code?: string
  /** Of undici's own errors. */
  socket?: { bytesRead?: number }
  /** Of the socket's errors, as the connector notes it. */
  bytesRead?: number
}

/**
 * A socket that answered before and fails at the next request was closed while idle, which is not an outage.
 */
function nameReset(phase: Phase, code: string | undefined, bytesRead = 0): ResetDetail {
  if (phase === 'body') return code === 'ECONNRESET' ? 'reset_body' : 'truncated'
  return phase === 'headers' && bytesRead > 0 ? 'stale_socket' : 'reset'
}
