import type { IncomingHttpHeaders } from 'node:http'

/**
 * W3C Trace Context §3.2: version, trace id, parent id, flags. A later version may add more. The version `ff`
 * and ids that are all zeros are invalid.
 */
const traceparentPattern =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[\x21-\x7e]{0,128})?$/

/** The caller's `traceparent`, unless there is none or it is malformed. */
export function readTraceparent({ traceparent }: IncomingHttpHeaders): string | undefined {
  return traceIdOf(traceparent) === undefined ? undefined : String(traceparent)
}

/** The trace to which a request belongs, by its `traceparent`. */
export function traceIdOf(traceparent: unknown): string | undefined {
  const match = typeof traceparent === 'string' ? traceparentPattern.exec(traceparent) : null
  if (match === null) return undefined
  const [, version, traceId, rest] = match
  return version === '00' && rest !== undefined ? undefined : traceId
}
