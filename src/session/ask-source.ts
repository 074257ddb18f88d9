import type { HttpClient } from '../outbound/client.ts'
import type { OutboundAnswer, OutboundRequest } from '../outbound/exchange.ts'
import { OutboundFault } from '../outbound/fault.ts'
import { parseJson } from '../lib/json.ts'
import { Problem } from '../problems.ts'
import { sourceUnavailable } from './credential.ts'

/** Of each question, unless it has its own. Some firewalls refuse a request without a `User-Agent`. */
const usualHeaders = { 'accept-encoding': 'identity', 'user-agent': 'returning-ai-token-broker' }

/**
 * Asks a session source. A connection that was refused or reset is retried once, within the same deadline:
 * a question may be asked twice. No answer at all is `session_source_unavailable`.
 */
export async function askSource(client: HttpClient, question: OutboundRequest): Promise<OutboundAnswer> {
  const deadline = performance.now() + question.timeoutMs
  const headers = { ...usualHeaders, ...question.headers }
  // Some servers compress whatever they are asked for.
  const request = { answerBody: 'decode', ...question, headers } as const
  try {
    return await client.exchange(request).catch((fault: unknown) => {
      const timeoutMs = deadline - performance.now()
      if (!isPassing(fault) || timeoutMs <= 0) throw fault
      return client.exchange({ ...request, timeoutMs })
    })
  } catch (fault) {
    throw problemOf(fault)
  }
}

function problemOf(fault: unknown): Problem {
  if (!(fault instanceof OutboundFault)) return sourceUnavailable('unknown_fault', fault)
  const { outcome } = fault
  if (outcome !== 'machine_exhausted') return sourceUnavailable(outcome, fault)
  // Our own machine is at its limits, which says nothing about the source.
  return new Problem('overloaded', { diagnosis: { outcome }, cause: fault })
}

/** JSON from a session source, of any shape. Anything else comes from a proxy or an error page. */
export function parseSourceJson(body: string): unknown {
  const answer = parseJson(body)
  if (answer === undefined) throw sourceUnavailable('answer_not_json')
  return answer
}

function isPassing(fault: unknown): boolean {
  return fault instanceof OutboundFault && (fault.outcome === 'reset' || fault.outcome === 'connect_refused')
}
