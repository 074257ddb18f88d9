import { pino, type DestinationStream } from 'pino'
import { createBatch } from './batch.ts'

const linesPerPiece = 64
const lingerMs = 250
const maxWaitingBytes = 8 * 1024 * 1024

export interface Stdout extends DestinationStream {
  /** Does later, with the work of other lines, what ends in the `write` of a line. */
  later(work: () => void): void
  flush(done: (error?: Error) => void): void
  /** Called by pino after a fatal line. It waits for nothing: whoever ends the process waits for `flush`. */
  flushSync(): void
}

/**
 * Standard output in pieces of many lines, the last line of a piece 250 ms late at most. Never blocks: a reader that is
 * slow or gone costs log lines, not requests. pino's own pieces (`minLength`) are copied whole at each line.
 */
export function createStdout(): Stdout {
  // At a minLength of 0, a flush is said to be done before it is.
  const stdout = pino.destination({ dest: 1, sync: false, minLength: 1, maxLength: maxWaitingBytes })
  stdout.on('error', () => undefined)
  // pino calls it at the end of the process: it would write into a line that is being written, and wait for ever for a reader.
  stdout.flushSync = () => undefined
  const batch = createBatch({ size: linesPerPiece, lingerMs, settled: passOn })
  let lines: string[] = []

  function passOn(): void {
    if (lines.length > 0) stdout.write(lines.join(''))
    lines = []
  }

  return {
    write: (line) => lines.push(line),
    later: batch.add,
    flush(done) {
      batch.settle()
      stdout.flush(done)
    },
    flushSync: batch.settle,
  }
}
