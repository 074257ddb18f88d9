import { createBatch } from './batch.ts'
import { collectDefaults, createInstruments } from './instruments.ts'

/**
 * What the parts of the broker report. Labels are our own words, and the methods that Node's parser knows.
 */
export interface Metrics {
  requestEnded(route: string, method: string, status: number, seconds: number): void
  sessionVerified: (mode: string, outcome: string) => void
  tokenIssued(door: string, source: 'vendor' | 'reused'): void
  /** Whether the test user's sign-in through a door returned a token. */
  probeEnded(door: string, ok: boolean): void
  /** For the calls to the vendor through one door, whose circuit starts as closed. */
  ofDoor(door: string): DoorMetrics
}

/** What the way to one door reports: the end of each call, and each change of the circuit. */
export interface DoorMetrics {
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
  const library = await import('prom-client')
  const registry = new library.Registry()
  collectDefaults(library, registry)
  const { add: defer, settle } = createBatch({ size: updatesInARow })
  const metrics = createReporters(createInstruments(library, registry), defer)

  function read(): Promise<string> {
    settle()
    return registry.metrics()
  }

  return { metrics, exposition: { contentType: registry.contentType, read } }
}

type Instruments = ReturnType<typeof createInstruments>

function createReporters(instruments: Instruments, defer: (update: () => void) => void): Metrics {
  const { requests, requestSeconds, sessions, tokens, vendorCalls, vendorSeconds, circuit, probe } =
    instruments

  function ofDoor(door: string): DoorMetrics {
    circuit.set({ door }, 0)
    // A counter that starts at one shows no increase, but the first refused key must raise the alert.
    for (const outcome of ['ok', 'vendor_auth_failed']) vendorCalls.inc({ door, outcome }, 0)
    return {
      vendorAnswered: (outcome, seconds) =>
        defer(() => {
          vendorCalls.inc({ door, outcome })
          vendorSeconds.observe({ door }, seconds)
        }),
      circuitOpened: (open) => circuit.set({ door }, Number(open)),
    }
  }

  return {
    requestEnded: (route, method, status, seconds) =>
      defer(() => {
        requests.inc({ route, method, status })
        requestSeconds.observe({ route }, seconds)
      }),
    sessionVerified: (mode, outcome) => defer(() => sessions.inc({ mode, outcome })),
    tokenIssued: (door, source) => defer(() => tokens.inc({ door, source })),
    probeEnded: (door, ok) => probe.set({ door }, Number(ok)),
    ofDoor,
  }
}
