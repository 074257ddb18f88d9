import type { HttpClient } from '../http/client.ts'
import type { OutboundAnswer } from '../http/exchange.ts'
import type { Logger } from '../logger.ts'
import { Problem } from '../problems.ts'
import { createCircuit } from './circuit.ts'
import { createPauses } from './pauses.ts'
import { pauseOf, problemOfFault, problemOfStatus } from './refusals.ts'
import { createRetry } from './retry.ts'
import { createWaitingLine, type CallBounds } from './waiting-line.ts'

export interface VendorRequest {
  url: URL
  headers: Record<string, string>
  body?: string
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
  check(keyId: string, bounds: CallBounds): void
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

interface Call extends CallBounds {
  startedAt: number
  attempts: number
}

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
    line.check()
  }

  function attempt(request: VendorRequest, call: Call): Promise<OutboundAnswer> {
    pauses.check(request.keyId)
    return circuit.run(() => post(request, call))
  }

  async function post({ url, headers, body, keyId }: VendorRequest, call: Call): Promise<OutboundAnswer> {
    call.attempts += 1
    const { endsAt, signal } = call
    const timeoutMs = Math.max(0, endsAt - performance.now())
    const outbound = { url, headers, body, method: 'POST', timeoutMs, maxBytes, signal } as const
    const answer = await client.exchange(outbound).catch(throwProblem)
    if (answer.status === 200) return answer
    const problem = problemOfStatus(answer)
    const pauseSeconds = pauseOf(answer)
    if (pauseSeconds !== undefined) pauses.start(keyId, problem.code, pauseSeconds)
    throw problem
  }

  function fail(error: unknown, keyId: string, call: Call): Problem {
    const problem = diagnose(error, keyId, call)
    observer?.vendorAnswered(problem.diagnosis.outcome ?? problem.code, msOf(call) / 1000)
    return problem
  }

  return {
    check(keyId, bounds) {
      const call = startCall(bounds)
      try {
        refuseAtOnce(keyId)
      } catch (error) {
        throw fail(error, keyId, call)
      }
    },
    async send(request, bounds) {
      const call = startCall(bounds)
      let hasPlace = false
      try {
        refuseAtOnce(request.keyId)
        await line.enter(call)
        hasPlace = true
        const { body, headers } = await retry(() => attempt(request, call), call)
        observer?.vendorAnswered('ok', msOf(call) / 1000)
        const contentType = String(headers['content-type'])
        return { body, contentType, vendorMs: msOf(call), attempts: call.attempts }
      } catch (error) {
        throw fail(error, request.keyId, call)
      } finally {
        if (hasPlace) line.leave()
      }
    },
  }
}

/** Spelled out: on Node 20, each object that is spread and added to has a hidden class of its own. */
function startCall({ endsAt, signal }: CallBounds): Call {
  return { endsAt, signal, startedAt: performance.now(), attempts: 0 }
}

function msOf({ startedAt }: Call): number {
  return Math.round(performance.now() - startedAt)
}

function throwProblem(fault: unknown): never {
  throw problemOfFault(fault)
}

/** What the access line says of the call that failed. */
function diagnose(error: unknown, keyId: string, call: Call): Problem {
  const problem = toProblem(error, call)
  Object.assign(problem.diagnosis, { attempts: call.attempts, vendorMs: msOf(call), keyId })
  return problem
}

/** A caller who leaves the line or the back-off leaves by the reason of its signal. */
function toProblem(error: unknown, { signal }: Call): Problem {
  if (error instanceof Problem) return error
  if (!signal.aborted) throw error
  return new Problem('vendor_unavailable', { diagnosis: { outcome: 'aborted' } })
}
