import type { Server } from 'node:http'
import type { Broker } from './broker.ts'
import type { Logger } from './telemetry/logger.ts'

interface ShutdownOptions {
  server: Server
  broker: Broker
  logger: Logger
  /** From SIGTERM until no new connection is accepted: load balancers need it to look elsewhere. */
  delayMs: number
  /** From the signal until the hard end, the delay included. */
  timeoutMs: number
  exit: (code: number) => void
}

/** A connection that was accepted last has its request on the way: to be answered, not cut. */
const lingerMs = 500
const quietTurnMs = 0.1

/**
 * Makes the reaction to a stop signal: not ready at once, no new connections after the delay, end when the last answer
 * is out (exit 0) or at the timeout (exit 1). SIGINT has no delay; a second signal ends at once.
 */
export function createShutdown({ server, broker, logger, delayMs, timeoutMs, exit }: ShutdownOptions) {
  let exitCode = 0
  let stopped = false

  return function shutdown(signal: 'SIGTERM' | 'SIGHUP' | 'SIGINT'): void {
    if (broker.lifecycle.state === 'draining') {
      exit(1)
      return
    }
    logger.info({ event: 'draining', signal })
    broker.lifecycle.drain()
    setTimeout(endNow, timeoutMs)
    setTimeout(stopAccepting, signal === 'SIGINT' ? 0 : delayMs)
  }

  function stopAccepting(): void {
    // First here: what `close()` does before it closes is time in which somebody may come.
    server.closeIdleConnections()
    whenNobodyWaits(server, () => server.close(finish))
    setTimeout(closeSilent, lingerMs)
  }

  /** What is left when the last answer is out are connections that never asked: `server.close()` would wait for them. */
  function closeSilent(): void {
    server.closeIdleConnections()
    void broker.lifecycle.idle().then(() => server.closeAllConnections())
  }

  /** Whoever still waits gets an answer rather than a reset; what is written leaves before the sockets are cut. */
  function endNow(): void {
    exitCode = 1
    logger.warn({ event: 'shutdown_timeout' })
    broker.lifecycle.refuseOpen()
    setImmediate(() => {
      server.closeAllConnections()
      finish()
    })
  }

  function finish(): void {
    if (stopped) return
    stopped = true
    logger.info({ event: 'stopped' })
    void broker.close().finally(() => exit(exitCode))
  }
}

/**
 * Node takes one waiting connection a turn of its loop; whoever still waits when the listener closes, the kernel cuts.
 * So it closes after a turn that took nobody, and was too short for somebody to come meanwhile.
 */
function whenNobodyWaits(server: Server, proceed: () => void): void {
  const giveUpAt = performance.now() + lingerMs
  let taken = true
  let lookedAt = 0
  server.on('connection', () => {
    taken = true
  })
  const look = () => {
    const now = performance.now()
    if ((!taken && now - lookedAt < quietTurnMs) || now > giveUpAt) return proceed()
    taken = false
    lookedAt = now
    setImmediate(look)
  }
  look()
}
