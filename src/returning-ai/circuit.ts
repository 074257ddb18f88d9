import { circuitBreaker, CircuitState, handleWhen } from 'cockatiel'
import type { Logger } from '../telemetry/logger.ts'
import { Problem } from '../problems.ts'
import { createFailureWindow } from './failure-window.ts'
import { VendorProblem } from './refusals.ts'

export interface Circuit {
  /** Throws `vendor_unavailable` while the vendor is left alone. */
  check(): void
  /** `probes`: this attempt decides for all whether the vendor is back. */
  run<Result>(attempt: (probes: boolean) => Promise<Result>): Promise<Result>
}

interface CircuitOptions {
  logger: Logger
  /** How long the vendor is left alone before one call tries it. */
  halfOpenAfterMs?: number
  changed?: (open: boolean) => void
}

/**
 * Leaves a failing vendor alone for five seconds at a time: long enough to be a relief, short enough that users hardly notice how
 * long it lasts after the recovery. Then one call goes ahead, and its end decides.
 */
export function createCircuit({ logger, halfOpenAfterMs = 5_000, changed }: CircuitOptions): Circuit {
  let halfOpenAt = 0
  const policy = circuitBreaker(
    handleWhen(isOutage),
    // The wait is kept by `check` on the monotonic clock: the library's would last as long as a wall clock is set back.
    { halfOpenAfter: -Infinity, breaker: createFailureWindow() },
  )

  policy.onBreak(() => {
    halfOpenAt = performance.now() + halfOpenAfterMs
    logger.error({ event: 'vendor_circuit', state: 'open', retryAfterSeconds: secondsLeft() })
    changed?.(true)
  })
  policy.onHalfOpen(() => logger.info({ event: 'vendor_circuit', state: 'half_open' }))
  policy.onReset(() => {
    logger.info({ event: 'vendor_circuit', state: 'closed', outcome: 'recovered' })
    changed?.(false)
  })

  function secondsLeft(): number {
    return Math.max(1, Math.ceil((halfOpenAt - performance.now()) / 1000))
  }

  // The library lets callers wait for the probe, however long it takes and wherever they have gone: refuse them first.
  function check(): void {
    const { state } = policy
    if (state === CircuitState.Closed) return
    if (state === CircuitState.Open && performance.now() >= halfOpenAt) return
    const diagnosis = { outcome: 'circuit_open' }
    throw new Problem('vendor_unavailable', { retryAfterSeconds: secondsLeft(), diagnosis })
  }

  return {
    check,
    run(attempt) {
      check()
      const probes = policy.state !== CircuitState.Closed
      return policy.execute(() => attempt(probes))
    },
  }
}

function isOutage(failure: unknown): boolean {
  return failure instanceof VendorProblem && failure.outage
}
