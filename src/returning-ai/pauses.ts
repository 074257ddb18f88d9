import { Problem, type ProblemCode } from '../problems.ts'

/** Whose call it is, and with which key. */
export interface Caller {
  user: string
  keyId: string
}

interface Pause {
  code: ProblemCode
  endsAt: number
}

interface KeyPause extends Pause {
  startedAt: number
  /** When the next call is let through to see whether the vendor serves again. */
  trialAt: number
}

interface UserPause extends Pause, Caller {}

export interface Pauses {
  /** Throws if `enter` would. */
  check(caller: Caller): void
  /** Throws while a pause applies to this caller. */
  enter(caller: Caller): void
  /** The vendor asked this caller to wait. */
  start(caller: Caller, code: ProblemCode, seconds: number): void
  /** A call that was started at this time got its token. */
  succeeded(keyId: string, startedAt: number): void
}

const trialEveryMs = 5_000
const maxUsers = 1_000

/**
 * The pauses that the vendor asks for by `Retry-After`. The first applies to the user whose call got it,
 * because the limit may be that user's own. Once a second user gets one, all calls with the same key wait.
 * Every five seconds one of them is let through as a trial, and the first success ends the pause of the key.
 */
export function createPauses(now: () => number = () => performance.now()): Pauses {
  const ofUsers = new Map<string, UserPause>()
  const ofKeys = new Map<string, KeyPause>()

  function check({ user, keyId }: Caller): void {
    const own = ofUsers.get(`${keyId} ${user}`)
    if (lasts(own)) refuse(own)
    const shared = ofKeys.get(keyId)
    if (lasts(shared) && shared.trialAt > now()) refuse(shared)
  }

  function lasts<Some extends Pause>(pause: Some | undefined): pause is Some {
    return pause !== undefined && pause.endsAt > now()
  }

  function refuse({ code, endsAt }: Pause): never {
    const retryAfterSeconds = Math.ceil((endsAt - now()) / 1000)
    throw new Problem(code, { retryAfterSeconds, diagnosis: { outcome: 'vendor_pause' } })
  }

  function startOfUser(caller: Caller, pause: Pause): void {
    const name = `${caller.keyId} ${caller.user}`
    const endsAt = Math.max(pause.endsAt, ofUsers.get(name)?.endsAt ?? 0)
    ofUsers.delete(name)
    ofUsers.set(name, { ...caller, ...pause, endsAt })
    const [oldest] = ofUsers.keys()
    if (ofUsers.size > maxUsers) ofUsers.delete(oldest!)
  }

  function startOfKey(keyId: string, pause: Pause): void {
    const known = ofKeys.get(keyId)
    const { startedAt, endsAt } = lasts(known) ? known : { startedAt: now(), endsAt: 0 }
    const trialAt = now() + trialEveryMs
    ofKeys.set(keyId, { ...pause, startedAt, endsAt: Math.max(pause.endsAt, endsAt), trialAt })
  }

  function isSecondUser({ user, keyId }: Caller): boolean {
    for (const [name, pause] of ofUsers) {
      if (!lasts(pause)) ofUsers.delete(name)
      else if (pause.keyId === keyId && pause.user !== user) return true
    }
    return false
  }

  return {
    check,
    enter(caller) {
      check(caller)
      const shared = ofKeys.get(caller.keyId)
      if (shared !== undefined) shared.trialAt = now() + trialEveryMs
    },
    start(caller, code, seconds) {
      const pause = { code, endsAt: now() + seconds * 1000 }
      startOfUser(caller, pause)
      if (isSecondUser(caller)) startOfKey(caller.keyId, pause)
    },
    succeeded(keyId, startedAt) {
      if (startedAt >= (ofKeys.get(keyId)?.startedAt ?? Infinity)) ofKeys.delete(keyId)
    },
  }
}
