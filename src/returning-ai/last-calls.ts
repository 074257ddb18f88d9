interface LastCall {
  at: number
  failed: boolean
}

const windowMs = 10_000
/** With fewer users, a circuit would not relieve the vendor, and the failures prove nothing. */
const minUsers = 10
const maxFailedShare = 0.5
/** More users than this say no more about the vendor. */
const maxUsers = 1_000

/**
 * Remembers how the last call of each user ended, of those who called within ten seconds. It counts users,
 * not calls: one account that makes the vendor fail, however often, is one failure.
 */
export function createLastCalls(now: () => number) {
  /** By user, the oldest call first. */
  const calls = new Map<string, LastCall>()
  let failures = 0

  function drop(user: string, { failed }: LastCall): void {
    calls.delete(user)
    if (failed) failures -= 1
  }

  function dropOld(): void {
    const since = now() - windowMs
    for (const [user, call] of calls) {
      if (call.at > since && calls.size <= maxUsers) return
      drop(user, call)
    }
  }

  return {
    note(user: string, failed: boolean): void {
      const previous = calls.get(user)
      if (previous !== undefined) drop(user, previous)
      calls.set(user, { at: now(), failed })
      if (failed) failures += 1
      dropOld()
    },
    /** Whether the last call of this user failed, less than ten seconds ago. */
    hasFailed(user: string): boolean {
      dropOld()
      return calls.get(user)?.failed === true
    },
    /** Whether enough users called, and the last call of half of them failed. */
    mostlyFail: () => calls.size >= minUsers && failures >= calls.size * maxFailedShare,
    forget(): void {
      calls.clear()
      failures = 0
    },
  }
}
