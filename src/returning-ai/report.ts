import type { Logger } from '../telemetry/logger.ts'
import type { Problem } from '../problems.ts'

const intervalMs = 60_000

/** What an operator must act on, each with the key's id and at most once a minute. */
export function createVendorReport(logger: Logger, settings: string) {
  const saidAt = new Map<string, number>()

  function isDue(event: string, keyId: string): boolean {
    const topic = `${event} ${keyId}`
    const now = performance.now()
    if (now - (saidAt.get(topic) ?? -Infinity) < intervalMs) return false
    saidAt.set(topic, now)
    return true
  }

  return {
    keyRefused(keyId: string, { diagnosis: { vendorStatus } }: Problem): void {
      const event = 'vendor_rejected_credentials'
      const advice = `The vendor refuses this key. Check ${settings}`
      if (isDue(event, keyId)) logger.error({ event, keyId, vendorStatus }, advice)
    },
    /**
     * A sign of mixed-up answers, or of another form of the same address. The vendor documents no claims, so
     * it is no error.
     */
    otherHolder(keyId: string): void {
      const event = 'vendor_identity_mismatch'
      const advice = 'A token has a different email from the one that was requested. Ask the vendor why'
      if (isDue(event, keyId)) logger.warn({ event, keyId }, advice)
    },
  }
}
