import { createBatch } from './batch.ts'

/** What the parts of the broker report as it happens. Labels are words of ours, and the methods that Node's parser knows. */
export interface Metrics {
  requestEnded(route: string, method: string, status: number, seconds: number): void
  sessionVerified: (mode: string, outcome: string) => void
  tokenIssued(source: 'vendor' | 'reused'): void
  vendorAnswered(outcome: string, seconds: number): void
  circuitOpened(open: boolean): void
}

const updatesInARow = 256

/** What Prometheus reads. */
export interface Exposition {
  contentType: string
  read(): Promise<string>
}

/** Counts for Prometheus. The library is loaded only here, so that a broker without metrics starts faster. */
export async function createMetrics(): Promise<{ metrics: Metrics; exposition: Exposition }> {
  const { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } = await import('prom-client')
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const { add: later, settle } = createBatch({ size: updatesInARow })
  const buckets = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

  const requests = new Counter({
    name: 'http_requests_total',
    help: 'Requests by route template, method and status.',
    labelNames: ['route', 'method', 'status'],
    registers,
  })
  const requestSeconds = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from request to end of answer.',
    labelNames: ['route'],
    buckets,
    registers,
  })
  const sessions = new Counter({
    name: 'session_verifications_total',
    help: 'Sessions looked at, remembered verdicts included, by mode and outcome.',
    labelNames: ['mode', 'outcome'],
    registers,
  })
  const tokens = new Counter({
    name: 'widget_tokens_issued_total',
    help: 'Tokens given out, minted by the vendor or reused.',
    labelNames: ['source'],
    registers,
  })
  const vendorCalls = new Counter({
    name: 'vendor_requests_total',
    help: 'Calls to the vendor by outcome, retries within a call not counted.',
    labelNames: ['outcome'],
    registers,
  })
  const vendorSeconds = new Histogram({
    name: 'vendor_request_duration_seconds',
    help: 'Time of a call to the vendor, waiting line and retries included.',
    buckets,
    registers,
  })
  const circuit = new Gauge({
    name: 'vendor_circuit_open',
    help: '1 while the vendor is left alone after failures.',
    registers,
  })

  const metrics: Metrics = {
    requestEnded: (route, method, status, seconds) =>
      later(() => {
        requests.inc({ route, method, status })
        requestSeconds.observe({ route }, seconds)
      }),
    sessionVerified: (mode, outcome) => later(() => sessions.inc({ mode, outcome })),
    tokenIssued: (source) => later(() => tokens.inc({ source })),
    vendorAnswered: (outcome, seconds) =>
      later(() => {
        vendorCalls.inc({ outcome })
        vendorSeconds.observe(seconds)
      }),
    circuitOpened: (open) => circuit.set(open ? 1 : 0),
  }

  function read(): Promise<string> {
    settle()
    return registry.metrics()
  }

  return { metrics, exposition: { contentType: registry.contentType, read } }
}
