import { pino, type DestinationStream, type Logger } from 'pino'
import { createStdout, type Stdout } from './stdout.ts'

export type { Logger }

interface LoggerOptions {
  level: string
  destination?: DestinationStream & Partial<Pick<Stdout, 'defer'>>
}

/**
 * One JSON object per line, written from named fields only. The caller picks each field by hand,
 * so that no object from outside (a request, a library's error, a vendor's body) reaches a line as a whole.
 */
export function createLogger({ level, destination = createStdout() }: LoggerOptions): Logger {
  const { defer = (write) => write() } = destination
  const formatTime = createTimeFormatter()
  let loggedAt = 0
  const options = {
    level,
    base: null,
    timestamp: () => formatTime(loggedAt),
    formatters: { level: (label: string) => ({ level: label }) },
    hooks: {
      logMethod(this: Logger, fields: Parameters<Logger['info']>, write: Logger['info']) {
        const now = Date.now()
        defer(() => {
          loggedAt = now
          write.apply(this, fields)
        })
      },
    },
  }
  return pino(options, destination)
}

/** For parts that need a logger when there is no log. */
export const silentLogger: Logger = pino({ level: 'silent' }, { write: () => undefined })

/** Formats the time by RFC 3339, once for each millisecond: under load, many lines share one. */
function createTimeFormatter(): (now: number) => string {
  let formatted = ''
  let formattedAt = 0
  return function formatTime(now) {
    if (now !== formattedAt) {
      formattedAt = now
      formatted = `,"time":"${new Date(now).toISOString()}"`
    }
    return formatted
  }
}

/**
 * Where an unexpected error occurred: its class and stack frames, never its message, which may quote a
 * secret.
 */
export function describeError(error: unknown): { errorName: string; stack: string[] } {
  if (!(error instanceof Error)) return { errorName: typeof error, stack: [] }
  const { stack = '', message } = error
  // The stack begins with the message, whose own lines may look like frames.
  const trace = stack.slice(stack.indexOf(message) + message.length)
  const frames = trace.split('\n').filter((line) => /^\s+at /.test(line))
  return { errorName: error.name, stack: frames.slice(0, 8).map((line) => line.trim()) }
}
