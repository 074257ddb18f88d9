import { pino, type DestinationStream, type Logger } from 'pino'
import { createStdout, type Stdout } from './stdout.ts'

export type { Logger }

interface LoggerOptions {
  level: string
  destination?: DestinationStream & Partial<Pick<Stdout, 'later'>>
}

/**
 * One JSON object per line, written from named fields only: whoever logs picks each field by hand,
 * so that no object from outside (a request, an error of a library, a vendor's body) can reach a line whole.
 */
export function createLogger({ level, destination = createStdout() }: LoggerOptions): Logger {
  const { later = (spell) => spell() } = destination
  const spellTime = createTimeSpelling()
  let loggedAt = 0
  const options = {
    level,
    base: null,
    timestamp: () => spellTime(loggedAt),
    formatters: { level: (label: string) => ({ level: label }) },
    hooks: {
      logMethod(this: Logger, fields: Parameters<Logger['info']>, spell: Logger['info']) {
        const now = Date.now()
        later(() => {
          loggedAt = now
          spell.apply(this, fields)
        })
      },
    },
  }
  return pino(options, destination)
}

/** For parts that want a logger where nobody reads a log. */
export const silentLogger: Logger = pino({ level: 'silent' }, { write: () => undefined })

/** Spells the time by RFC 3339, anew only when it has changed: under load, many lines share a millisecond. */
function createTimeSpelling(): (now: number) => string {
  let spelled = ''
  let spelledAt = 0
  return function spellTime(now) {
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
