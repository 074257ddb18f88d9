import type { Problem } from '../problems.ts'
import { asProblem } from '../http/write-problem.ts'
import type { Session } from '../session/identity.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Doors } from './doors.ts'
import type { TokenIssuer } from './issuer.ts'

interface ProbeOptions {
  doors: Doors
  /** The session of the test user. */
  session: Session
  logger: Logger
  metrics?: Metrics
}

export interface Probe {
  /** Signs the test user in at once, because something has changed. */
  run(): void
  close(): void
}

type Door = TokenIssuer['door']

const intervalMs = 300_000
const event = 'vendor_probe'
const failureAdvice = 'The test user of WIDGET_PROBE_EMAIL got no token. docs/problems.md explains the code'
const skipReason =
  'RAI_USER_IDENTIFIERS needs more than an email, and only the email of the test user is known'

/**
 * Signs a test user in now and every five minutes, through each configured door, so that the operator learns
 * of a refused key before the users do. Reports the result in the log and in a metric; nothing else depends
 * on it.
 */
export function startProbe({ doors, session, logger, metrics }: ProbeOptions): Probe {
  const closing = new AbortController()
  const skipped = new Set<Door>()

  async function probe(door: Door, issuers: readonly TokenIssuer[]): Promise<void> {
    try {
      for (const issuer of issuers) await issuer.issue(session, closing.signal)
      logger.info({ event, door, outcome: 'ok' })
      metrics?.probeEnded(door, true)
    } catch (error) {
      if (!closing.signal.aborted) report(door, asProblem(error))
    }
  }

  function report(door: Door, { code, status, diagnosis }: Problem): void {
    if (code === 'identity_unusable') {
      skipped.add(door)
      logger.info({ event, door, outcome: 'skipped', claim: diagnosis.claim }, skipReason)
      return
    }
    logger[status === 503 ? 'warn' : 'error'](
      { event, door, outcome: code, code, ...diagnosis },
      failureAdvice,
    )
    metrics?.probeEnded(door, false)
  }

  function run(): void {
    for (const [door, issuers] of doors.issuers()) if (!skipped.has(door)) void probe(door, issuers)
  }

  run()
  const timer = setInterval(run, intervalMs).unref()
  return {
    run,
    close() {
      clearInterval(timer)
      closing.abort()
    },
  }
}
