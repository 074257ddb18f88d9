import { pino, type DestinationStream, type Logger } from 'pino'
import { createStdout } from './stdout.ts'

export type { Logger }

interface LoggerOptions {
  level: string
  destination?: DestinationStream
}

/**
 * One JSON object per line, written from named fields only: whoever logs picks each field by hand,
 * so that no object from outside (a request, an error of a library, a vendor's body) can reach a line whole.
 */
export function createLogger({ level, destination }: LoggerOptions): Logger {
  const options = {
    level,
    base: null,
    timestamp: createTimestamp(),
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return pino(options, destination ?? createStdout())
}

/** The time by RFC 3339, spelled anew only when it has changed: under load, many lines share a millisecond. */
function createTimestamp(): () => string {
  let spelled = ''
  let spelledAt = 0
  return function timestamp() {
    const now = Date.now()
    if (now !== spelledAt) {
      spelledAt = now
      spelled = `,"time":"${new Date(now).toISOString()}"`
    }
    return spelled
  }
}

/** Where in our code an unexpected error arose: its class and the files, never its message, which may quote a secret. */
export function describeError(error: unknown): { errorName: string; stack: string[] } {
  if (!(error instanceof Error)) return { errorName: typeof error, stack: [] }
  const { stack = '', message } = error
  // The stack begins with the message, which may itself have lines that look like frames.
  const trace = stack.slice(stack.indexOf(message) + message.length)
  const frames = trace.split('\n').filter((line) => /^\s+at /.test(line))
  return { errorName: error.name, stack: frames.slice(0, 8).map((line) => line.trim()) }
}
