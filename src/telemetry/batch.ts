interface BatchOptions {
  /** How many pieces of work run in a row. */
  size: number
  /** After how many milliseconds a smaller row runs. Without it, a smaller row waits for `settle`. */
  lingerMs?: number
  /** Called at the end of each row. */
  settled?: () => void
}

/** Collects small pieces of work that no request waits for. */
export interface Batch {
  add: (work: () => void) => void
  /** Does all pending work, in order. */
  settle: () => void
}

/**
 * Defers small pieces of work and does many of them in a row. Between the steps of a request, each piece
 * would cost several times as much, because its code and data have left the processor's cache by then.
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
