import type { HttpClient } from '../outbound/client.ts'
import type { OutboundAnswer } from '../outbound/exchange.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Problem } from '../problems.ts'
import { createCircuit } from './circuit.ts'
import { createPauses } from './pauses.ts'
import { pauseOf, problemOfFault, problemOfStatus } from './refusals.ts'
import { createRetry } from './retry.ts'
import { createWaitingLine, type CallBounds } from './waiting-line.ts'

export interface VendorRequest {
  url: URL
  headers: Record<string, string>
  /** Who shares a pause that the vendor asks for. */
  keyId: string
}

/** A 200 of the vendor. `vendorMs` is the whole call, waiting and retries included. */
export interface VendorAnswer {
  body: string
  contentType: string
  vendorMs: number
  attempts: number
}

export interface VendorTransport {
  /** Throws what would be refused at once: the vendor asked for a pause with this key, the circuit is open, the line full. */
  check(keyId: string): void
  /** POSTs to the vendor within the bounds; rejects with the `Problem` of whatever is not a 200. */
  send(request: VendorRequest, bounds: CallBounds): Promise<VendorAnswer>
}

/** Told of each call's end and of each change of the circuit. */
export interface VendorObserver {
  vendorAnswered(outcome: string, seconds: number): void
  circuitOpened(open: boolean): void
}

interface TransportOptions {
  client: HttpClient
  logger: Logger
  maxConnections: number
  maxQueue: number
  halfOpenAfterMs?: number
  observer?: VendorObserver
}

interface Progress {
  startedAt: number
  attempts: number
}

type Call = CallBounds & Progress

const maxBytes = 65_536

/** The road to the vendor: a pause, an open circuit and a full line refuse at once; then one attempt, or two. */
export function createVendorTransport(options: TransportOptions): VendorTransport {
  const { client, logger, maxConnections, maxQueue, halfOpenAfterMs, observer } = options
  const line = createWaitingLine({ places: maxConnections, maxWaiting: maxQueue })
  const pauses = createPauses()
  const circuit = createCircuit({ logger, halfOpenAfterMs, changed: (open) => observer?.circuitOpened(open) })
  const retry = createRetry()

  function refuseAtOnce(keyId: string): void {
    pauses.check(keyId)
    circuit.check()
  }

  function attempt(request: VendorRequest, call: Call): Promise<OutboundAnswer> {
    pauses.check(request.keyId)
    return circuit.run((probes) => post(request, call, probes))
  }

  async function post(
    { url, headers, keyId }: VendorRequest,
    call: Call,
    probes: boolean,
  ): Promise<OutboundAnswer> {
    call.attempts += 1
    const { endsAt } = call
    // A probe outlives its caller: who asks and leaves, again and again, would keep the circuit from closing.
    const signal = probes ? undefined : call.signal
    const timeoutMs = Math.max(0, endsAt - performance.now())
    const outbound = { url, headers, method: 'POST', timeoutMs, maxBytes, signal } as const
    const answer = await client.exchange(outbound).catch(throwProblem)
    if (answer.status === 200) return answer
    const problem = problemOfStatus(answer)
    const pauseSeconds = pauseOf(answer)
    if (pauseSeconds !== undefined) pauses.start(keyId, problem.code, pauseSeconds)
    throw problem
  }

  /** What the access line and the metrics say of the call that failed. */
  function diagnose(problem: Problem, keyId: string, { attempts, startedAt }: Progress): Problem {
    Object.assign(problem.diagnosis, { attempts, vendorMs: msSince(startedAt), keyId })
    if (attempts > 0)
      observer?.vendorAnswered(problem.diagnosis.outcome ?? problem.code, msSince(startedAt) / 1000)
    return problem
  }

  return {
    check(keyId) {
      try {
        refuseAtOnce(keyId)
        line.check()
      } catch (error) {
        if (!(error instanceof Problem)) throw error
        throw diagnose(error, keyId, { startedAt: performance.now(), attempts: 0 })
      }
    },
    async send(request, bounds) {
      // Spelled out: on Node 20, each object that is spread and added to has a hidden class of its own.
      const { endsAt, signal } = bounds
      const call: Call = { endsAt, signal, startedAt: performance.now(), attempts: 0 }
      let hasPlace = false
      try {
        refuseAtOnce(request.keyId)
        await line.enter(call)
        hasPlace = true
        const { body, headers } = await retry(() => attempt(request, call), call)
        observer?.vendorAnswered('ok', msSince(call.startedAt) / 1000)
        const contentType = String(headers['content-type'])
        return { body, contentType, vendorMs: msSince(call.startedAt), attempts: call.attempts }
      } catch (error) {
        throw diagnose(toProblem(error, call), request.keyId, call)
      } finally {
        if (hasPlace) line.leave()
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

/** A caller who leaves the line or the back-off leaves by the reason of its signal. */
function toProblem(error: unknown, { signal }: Call): Problem {
  if (error instanceof Problem) return error
  if (!signal.aborted) throw error
  return new Problem('vendor_unavailable', { diagnosis: { outcome: 'aborted' } })
}
