import { pino, type DestinationStream } from 'pino'
import { createBatch } from './batch.ts'

const linesPerPiece = 64
const lingerMs = 250
const maxWaitingBytes = 8 * 1024 * 1024

export interface Stdout extends DestinationStream {
  /** Defers the formatting of a line, to do it together with other lines. */
  defer(work: () => void): void
  flush(done: (error?: Error) => void): void
  /**
   * Called by pino after a fatal line. It does not wait: the code that ends the process waits for `flush`.
   */
  flushSync(): void
}

/** Changes a piece of lines before it is written. */
type Guard = (lines: string) => string

/** Where the pieces go. */
interface Sink {
  write(lines: string): unknown
  flush(done: (error?: Error) => void): void
}

/**
 * Writes to standard output in pieces of many lines, each line at most 250 ms late. Never blocks: a reader
 * that is slow or gone costs log lines, not requests. pino's own pieces (`minLength`) are copied whole at
 * each line.
 */
export function createStdout(guard: Guard = (lines) => lines, sink: Sink = openStdout()): Stdout {
  const batch = createBatch({ size: linesPerPiece, lingerMs, settled: passOn })
  let lines: string[] = []

  function passOn(): void {
    if (lines.length > 0) sink.write(guard(lines.join('')))
    lines = []
  }

  return {
    write: (line) => lines.push(line),
    defer: batch.add,
    flush(done) {
      batch.settle()
      sink.flush(done)
    },
    flushSync: batch.settle,
  }
}

function openStdout(): Sink {
  // With a minLength of 0, `flush` calls back too early.
  const stdout = pino.destination({ dest: 1, sync: false, minLength: 1, maxLength: maxWaitingBytes })
  stdout.on('error', () => undefined)
  // pino calls it when the process ends. The original would write into a half-written line and could wait for
  // a reader forever.
  stdout.flushSync = () => undefined
  return stdout
}
