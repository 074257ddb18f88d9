import type { Registry } from 'prom-client'

type Library = typeof import('prom-client')

/** From one millisecond to beyond the usual deadline of a call. */
const buckets = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/**
 * Gauges that the library names like counters, which Prometheus's linter refuses. Each is also available by
 * type.
 */
const misnamed = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

/** Makes every metric of the broker. The prefix keeps them apart from those of other programs. */
export function createInstruments({ Counter, Gauge, Histogram }: Library, registry: Registry) {
  const registers = [registry]
  const named = (name: string, help: string, labelNames: readonly string[]) => {
    return { name: `token_broker_${name}`, help, labelNames, registers }
  }
  const counter = (...description: Parameters<typeof named>) => new Counter(named(...description))
  const gauge = (...description: Parameters<typeof named>) => new Gauge(named(...description))
  const histogram = (...description: Parameters<typeof named>) =>
    new Histogram({ ...named(...description), buckets })
  return {
    requests: counter('http_requests_total', 'Requests by route template, method and status.', [
      'route',
      'method',
      'status',
    ]),
    requestSeconds: histogram(
      'http_request_duration_seconds',
      'Time from the request to the end of the answer.',
      ['route'],
    ),
    sessions: counter(
      'session_verifications_total',
      'Session verifications by mode and outcome, including remembered ones.',
      ['mode', 'outcome'],
    ),
    tokens: counter('tokens_issued_total', 'Tokens handed out by door, minted by the vendor or reused.', [
      'door',
      'source',
    ]),
    vendorCalls: counter(
      'vendor_requests_total',
      'Calls to the vendor by door and outcome. A retry is part of its call.',
      ['door', 'outcome'],
    ),
    vendorSeconds: histogram(
      'vendor_request_duration_seconds',
      'Time of a call to the vendor by door, including queue and retries.',
      ['door'],
    ),
    circuit: gauge('circuit_open', '1 while the circuit to a failing vendor is open, by door.', ['door']),
    probe: gauge('probe_ok', 'Whether the last sign-in of the test user succeeded, by door.', ['door']),
  }
}

/** Adds the default metrics of the process and of Node that `promtool check metrics` accepts. */
export function collectDefaults({ collectDefaultMetrics }: Library, registry: Registry): void {
  collectDefaultMetrics({ register: registry })
  for (const name of misnamed) registry.removeSingleMetric(name)
}
