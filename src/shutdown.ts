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

/** Time for the request of the connection that was accepted last, so that it is answered and not reset. */
const lingerMs = 500
const quietTurnMs = 0.1

/**
 * Creates the handler of stop signals. The broker reports "not ready" at once and stops accepting connections
 * after the delay. It exits with 0 when the last answer has been sent, or with 1 at the timeout. SIGINT skips
 * the delay. A second signal ends the process at once.
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
    // Before `close()`, which needs some time of its own, in which another connection may arrive.
    server.closeIdleConnections()
    whenNobodyWaits(server, () => server.close(finish))
    setTimeout(closeSilent, lingerMs)
  }

  /** Cuts connections that never sent a request: `server.close()` would wait for them. */
  function closeSilent(): void {
    server.closeIdleConnections()
    void broker.lifecycle.idle().then(() => server.closeAllConnections())
  }

  /** Answers the waiting requests with 503 instead of a reset, and sends it before the sockets are cut. */
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
 * Proceeds when no connection is waiting to be accepted. Node accepts one in each turn of its event loop, and
 * the kernel resets those that still wait when the listener closes. So this waits for a turn that accepted
 * none and was too short for another one to arrive.
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
