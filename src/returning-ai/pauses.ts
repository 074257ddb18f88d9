import { Problem, type ProblemCode } from '../problems.ts'

interface Pause {
  code: ProblemCode
  endsAt: number
}

export interface Pauses {
  /** Throws while the vendor's pause for this key lasts. */
  check(keyId: string): void
  start(keyId: string, code: ProblemCode, seconds: number): void
}

/** The pauses that the vendor asked for by `Retry-After`: they bind everyone who uses the same key. */
export function createPauses(): Pauses {
  const pauses = new Map<string, Pause>()
  return {
    check(keyId) {
      const pause = pauses.get(keyId)
      if (pause === undefined) return
      const leftMs = pause.endsAt - performance.now()
      if (leftMs <= 0) {
        pauses.delete(keyId)
        return
      }
      const retryAfterSeconds = Math.ceil(leftMs / 1000)
      throw new Problem(pause.code, { retryAfterSeconds, diagnosis: { outcome: 'vendor_pause' } })
    },
    start(keyId, code, seconds) {
      const endsAt = performance.now() + seconds * 1000
      if (endsAt > (pauses.get(keyId)?.endsAt ?? 0)) pauses.set(keyId, { code, endsAt })
    },
  }
}
