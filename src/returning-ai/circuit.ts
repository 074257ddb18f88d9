import { Problem } from '../problems.ts'
import type { Logger } from '../telemetry/logger.ts'
import { createLastCalls } from './last-calls.ts'
import { VendorProblem } from './refusals.ts'

export interface Circuit {
  /** Throws `vendor_unavailable` if `run` would refuse this user at once. */
  check(user: string): void
  /**
   * Runs an attempt unless the circuit is open. `probes`: this attempt decides for all users whether the
   * vendor is back, so it must not end when its caller disconnects.
   */
  run<Result>(user: string, attempt: (probes: boolean) => Promise<Result>): Promise<Result>
}

interface CircuitOptions {
  logger: Logger
  /** How long an open circuit makes no calls before it lets one user try. */
  halfOpenAfterMs?: number
  changed?: (open: boolean) => void
  /** Milliseconds on a monotonic clock. */
  now?: () => number
}

/** How long the circuit accepts only a user whose last call did not fail as its probe. */
const preferenceMs = 500
/** How long a user whose probe failed may not probe again. */
const failedProbeMs = 10_000

/**
 * Stops calls to a failing vendor: five seconds relieve the vendor, and delay the recovery by little. Then
 * one user's call goes ahead as a probe, and its result closes the circuit or opens it again.
 */
export function createCircuit(options: CircuitOptions): Circuit {
  const { logger, halfOpenAfterMs = 5_000, changed, now = () => performance.now() } = options
  const lastCalls = createLastCalls(now)
  let state: 'closed' | 'open' | 'half_open' = 'closed'
  let halfOpenAt = 0
  /**
   * By user, the time until which that user may not probe. Probes are seconds apart, so there are only a few.
   */
  const failedProbes = new Map<string, number>()
  let closedAt = -Infinity

  function open(): void {
    state = 'open'
    halfOpenAt = now() + halfOpenAfterMs
    logger.error({ event: 'vendor_circuit', state, retryAfterSeconds: secondsLeft() })
    changed?.(true)
  }

  function halfOpen(): void {
    state = 'half_open'
    logger.info({ event: 'vendor_circuit', state })
  }

  function close(): void {
    state = 'closed'
    closedAt = now()
    lastCalls.forget()
    failedProbes.clear()
    logger.info({ event: 'vendor_circuit', state, outcome: 'recovered' })
    changed?.(false)
  }

  function secondsLeft(): number {
    return Math.max(1, Math.ceil((halfOpenAt - now()) / 1000))
  }

  function check(user: string): void {
    if (state === 'closed' || (state === 'open' && mayProbe(user))) return
    const diagnosis = { outcome: 'circuit_open' } as const
    throw new Problem('vendor_unavailable', { retryAfterSeconds: secondsLeft(), diagnosis })
  }

  /**
   * An account whose calls always fail must not decide for the others. After an outage, though, the calls of
   * all users may have failed.
   */
  function mayProbe(user: string): boolean {
    const waitedMs = now() - halfOpenAt
    if (waitedMs < 0 || now() < (failedProbes.get(user) ?? 0)) return false
    return waitedMs >= preferenceMs || !lastCalls.hasFailed(user)
  }

  function noteFailedProbe(user: string): void {
    for (const [other, until] of failedProbes) if (until <= now()) failedProbes.delete(other)
    failedProbes.set(user, now() + failedProbeMs)
  }

  async function run<Result>(user: string, attempt: (probes: boolean) => Promise<Result>): Promise<Result> {
    check(user)
    const probes = state === 'open'
    const startedAt = now()
    if (probes) halfOpen()
    let failed: boolean | undefined
    try {
      const result = await attempt(probes)
      failed = false
      return result
    } catch (failure) {
      failed = failure instanceof VendorProblem ? failure.outage : undefined
      throw failure
    } finally {
      if (startedAt >= closedAt) judge(user, failed, probes)
    }
  }

  /**
   * `failed` is undefined if a call says nothing about the vendor: its caller left, or our own machine is
   * at its limits.
   */
  function judge(user: string, failed: boolean | undefined, probes: boolean): void {
    if (failed !== undefined) lastCalls.note(user, failed)
    if (probes && failed) noteFailedProbe(user)
    if (probes && failed === false) close()
    else if (probes && failed === undefined) state = 'open'
    else if (probes || (failed && state === 'closed' && lastCalls.mostlyFail())) open()
  }

  return { check, run }
}
