import { pino, type DestinationStream } from 'pino'

const pieceLength = 16_000
const lingerMs = 250
const maxWaitingBytes = 8 * 1024 * 1024

export interface Stdout extends DestinationStream {
  flush(done: (error?: Error) => void): void
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
  let lines: string[] = []
  let length = 0
  let timer: NodeJS.Timeout | undefined

  function passOn(): void {
    clearTimeout(timer)
    timer = undefined
    if (length > 0) stdout.write(lines.join(''))
    lines = []
    length = 0
  }

  return {
    write(line) {
      lines.push(line)
      length += line.length
      if (length >= pieceLength) passOn()
      else timer ??= setTimeout(passOn, lingerMs).unref()
    },
    flush(done) {
      passOn()
      stdout.flush(done)
    },
    flushSync() {
      passOn()
      stdout.flushSync()
    },
  }
}
