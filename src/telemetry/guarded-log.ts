import { randomBytes } from 'node:crypto'
import { createLogger, type Logger } from './logger.ts'
import { createStdout } from './stdout.ts'
import { createTripwire, type Tripwire } from './tripwire.ts'

/** The log cannot be trusted to hold secrets back. */
export class TripwireError extends Error {}

interface GuardedLog {
  logger: Logger
  /** Keeps these secrets out of the log as well. */
  seek: Tripwire['seek']
}

/**
 * The log of the process, on standard output. No line with one of these secrets gets out. Throws
 * `TripwireError` if a test with a random secret fails.
 */
export function createGuardedLog(level: string, secrets: readonly string[]): GuardedLog {
  const { guard, seek } = createTripwire(secrets)
  const canary = randomBytes(24).toString('base64url')
  seek([canary])
  if (!isCaught(canary, guard)) throw new TripwireError('The log does not hold secrets back.')
  return { logger: createLogger({ level, destination: createStdout(guard) }), seek }
}

/** Whether a line with this secret is replaced by the code that every line goes through. */
function isCaught(canary: string, guard: Tripwire['guard']): boolean {
  let written = ''
  const memory = {
    write: (text: string) => (written += text),
    flush: (done: () => void) => done(),
  }
  const logger = createLogger({ level: 'info', destination: createStdout(guard, memory) })
  logger.info({ canary })
  logger.info({ event: 'canary' })
  logger.flush()
  return !written.includes(canary) && /secret_in_log.*\n.*"event":"canary"/.test(written)
}
