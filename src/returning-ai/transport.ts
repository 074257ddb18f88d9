import type { HttpClient } from '../outbound/client.ts'
import type { OutboundAnswer } from '../outbound/exchange.ts'
import { Problem } from '../problems.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { DoorMetrics } from '../telemetry/metrics.ts'
import { createCircuit } from './circuit.ts'
import { createPauses, type Caller } from './pauses.ts'
import { pauseOf, problemOfFault, problemOfStatus } from './refusals.ts'
import { createRetry } from './retry.ts'
import { createWaitingLine, type CallBounds } from './waiting-line.ts'

/** `user` and `keyId` say whose call it is: the faults of one user's calls must not affect the others. */
interface VendorRequest extends Caller {
  url: URL
  headers: Record<string, string>
  body?: string
}

/** A 200 of the vendor. `vendorMs` is the whole call, waiting and retries included. */
export interface VendorAnswer {
  body: string
  headers: OutboundAnswer['headers']
  vendorMs: number
  attempts: number
}

export interface VendorTransport {
  /**
   * Throws if a call would be refused at once: the vendor asked for a pause, the circuit is open, the queue
   * is full.
   */
  check(caller: Caller): void
  /** POSTs to the vendor within the bounds. Rejects with a `Problem` for any answer but 200. */
  send(request: VendorRequest, bounds: CallBounds): Promise<VendorAnswer>
}

interface TransportOptions {
  client: HttpClient
  logger: Logger
  maxConnections: number
  maxQueue: number
  halfOpenAfterMs?: number
  metrics?: DoorMetrics
}

interface Progress {
  startedAt: number
  attempts: number
}

type Call = CallBounds & Progress

const maxBytes = 65_536

/**
 * The way to one door of the vendor: a place in the line, and there one attempt or two, each past the pauses
 * and the circuit.
 */
export function createVendorTransport(options: TransportOptions): VendorTransport {
  const { client, logger, maxConnections, maxQueue, halfOpenAfterMs, metrics } = options
  const line = createWaitingLine({ places: maxConnections, maxWaiting: maxQueue })
  const pauses = createPauses()
  const circuit = createCircuit({ logger, halfOpenAfterMs, changed: (open) => metrics?.circuitOpened(open) })
  const retry = createRetry()

  function attempt(request: VendorRequest, call: Call): Promise<OutboundAnswer> {
    pauses.enter(request)
    return circuit.run(request.user, (probes) => post(request, call, probes))
  }

  async function post(request: VendorRequest, call: Call, probes: boolean): Promise<OutboundAnswer> {
    call.attempts += 1
    const { url, headers, body, keyId } = request
    const startedAt = performance.now()
    const timeoutMs = Math.max(0, call.endsAt - startedAt)
    // A probe outlives its caller. Otherwise clients that keep disconnecting would prevent the circuit from
    // closing.
    const signal = probes ? undefined : call.signal
    const outbound = { url, headers, body, method: 'POST', timeoutMs, maxBytes, signal } as const
    const answer = await client.exchange(outbound).catch(throwProblem)
    if (answer.status === 200) {
      pauses.succeeded(keyId, startedAt)
      return answer
    }
    const problem = problemOfStatus(answer)
    const pauseSeconds = pauseOf(answer)
    if (pauseSeconds !== undefined) pauses.start(request, problem.code, pauseSeconds)
    throw problem
  }

  /** What the access line and the metrics report about the failed call. */
  function diagnose(problem: Problem, keyId: string, { attempts, startedAt }: Progress): Problem {
    Object.assign(problem.diagnosis, { attempts, vendorMs: msSince(startedAt), keyId })
    if (attempts > 0)
      metrics?.vendorAnswered(problem.diagnosis.outcome ?? problem.code, msSince(startedAt) / 1000)
    return problem
  }

  return {
    check(caller) {
      try {
        pauses.check(caller)
        circuit.check(caller.user)
        line.check(caller.user)
      } catch (error) {
        if (!(error instanceof Problem)) throw error
        throw diagnose(error, caller.keyId, { startedAt: performance.now(), attempts: 0 })
      }
    },
    async send(request, bounds) {
      // Listed one by one: on Node 20, each object that is spread and added to has a hidden class of its own.
      const { endsAt, signal } = bounds
      const call: Call = { endsAt, signal, startedAt: performance.now(), attempts: 0 }
      let hasPlace = false
      try {
        await line.enter(request.user, call)
        hasPlace = true
        const { body, headers } = await retry(() => attempt(request, call), call)
        metrics?.vendorAnswered('ok', msSince(call.startedAt) / 1000)
        return { body, headers, vendorMs: msSince(call.startedAt), attempts: call.attempts }
      } catch (error) {
        throw diagnose(toProblem(error, call), request.keyId, call)
      } finally {
        if (hasPlace) line.leave(request.user)
      }
    },
  }
}

function msSince(startedAt: number): number {
  return Math.round(performance.now() - startedAt)
}

function throwProblem(fault: unknown): never {
  throw problemOfFault(fault)
}

/** A caller that leaves the queue or the back-off gets the reason of its signal. */
function toProblem(error: unknown, { signal }: Call): Problem {
  if (error instanceof Problem) return error
  if (!signal.aborted) throw error
  return new Problem('vendor_unavailable', { diagnosis: { outcome: 'aborted' } })
}
