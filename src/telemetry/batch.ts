interface BatchOptions {
  /** How much work is done in a row. */
  size: number
  /** When less than that is done too, in milliseconds; without it, not before `settle`. */
  lingerMs?: number
  /** Called at the end of each row. */
  settled?: () => void
}

/** Small work that nobody waits for. */
export interface Batch {
  add: (work: () => void) => void
  /** Does what is pending, in the order in which it came. */
  settle: () => void
}

/**
 * Puts small work off and does much of it in a row. In between the steps of requests each piece costs several times as much:
 * the processor has forgotten its code and data every time.
 */
export function createBatch({ size, lingerMs, settled }: BatchOptions): Batch {
  let pending: (() => void)[] = []
  let timer: NodeJS.Timeout | undefined

  function settle(): void {
    clearTimeout(timer)
    timer = undefined
    const works = pending
    pending = []
    for (const work of works) work()
    settled?.()
  }

  return {
    add(work) {
      pending.push(work)
      if (pending.length >= size) settle()
      else if (lingerMs !== undefined) timer ??= setTimeout(settle, lingerMs).unref()
    },
    settle,
  }
}
