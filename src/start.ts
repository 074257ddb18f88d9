import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { createBroker, type Broker } from './broker.ts'
import { ConfigError, type Config } from './config/config.ts'
import { loadWithEnvFile } from './config/env-file.ts'
import { createMetrics, type Exposition } from './telemetry/metrics.ts'
import { createHttpServer } from './http/http-server.ts'
import { createGuardedLog, TripwireError } from './telemetry/guarded-log.ts'
import { describeError } from './telemetry/logger.ts'
import { createAdminApp } from './routes/admin.ts'
import { createShutdown } from './shutdown.ts'

// The process: configuration, logger, broker, listener; drains on SIGTERM.

/**
 * Connections that the kernel queues for us. A client that finds the queue full retries seconds later. Node's
 * default is 511.
 */
const backlog = 4_096

/** How long the process waits for the reader of the log to take the last lines. */
const flushTimeoutMs = 500

const checksOnly = asksForCheckOrExit(process.argv.slice(2))
const config = orExit(() => loadWithEnvFile(process.env))
if (checksOnly) {
  process.stdout.write('The configuration is usable.\n')
  process.exit(0)
}

const { logger, seek: seekSecrets } = orExit(() => createGuardedLog(config.logLevel, config.secrets))
process.on('uncaughtException', exitAfterBug)
for (const { event, name, message } of config.warnings) logger.warn({ event }, `${name} ${message}`)

const observed = config.adminListen && (await createMetrics())
const broker = orExit(() => createBroker({ config, logger, metrics: observed?.metrics, seekSecrets }))
const server = createHttpServer(broker.app, logger)
await listen(server, config.listen, 'PORT or HOST')
if (observed) await startAdmin(observed.exposition)
stopOnSignals(server, broker)
keepObjectsYoung()
broker.lifecycle.state = 'ready'
logger.info({
  event: 'listening',
  ...addressOf(server),
  sessionModes: config.sessions.modes.map(({ mode }) => mode),
})

async function startAdmin(metrics: Exposition): Promise<void> {
  const admin = createHttpServer(createAdminApp({ logger, metrics, lifecycle: broker.lifecycle }), logger)
  await listen(admin, config.adminListen!, 'ADMIN_LISTEN')
  logger.info({ event: 'listening_admin', ...addressOf(admin) })
}

/**
 * Keeps V8 from taking the objects of a first burst of requests for long-lived ones, as it did in every second
 * process. Then it created 2 KB of each request in the old space, where they kept 5 KB of young objects alive:
 * 8 % more CPU for a new session, and 10 MB. On the command line the flag would cost 30 ms of each start,
 * because V8 would not take Node's own modules from its code cache.
 */
function keepObjectsYoung(): void {
  setFlagsFromString('--no-allocation-site-pretenuring')
}

/** A mistyped argument must not start a broker. */
function asksForCheckOrExit(given: readonly string[]): boolean {
  if (given.some((argument) => argument !== '--check-config')) {
    process.stderr.write('The only argument is --check-config; settings come from the environment.\n')
    process.exit(1)
  }
  return given.length > 0
}

/** If the operator must act before the broker can start, prints only the message and exits. */
function orExit<Result>(work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof TripwireError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  }
}

async function listen(server: Server, { host, port }: Config['listen'], names: string): Promise<void> {
  try {
    server.listen({ port, host, backlog })
    await once(server, 'listening')
  } catch (error) {
    const reason =
      (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'is in use' : 'cannot be listened on'
    process.stderr.write(`The address ${host}:${port} ${reason}: set ${names} to another.\n`)
    process.exit(1)
  }
}

function stopOnSignals(server: Server, broker: Broker): void {
  const shutdown = createShutdown({ server, broker, logger, ...config.shutdown, exit: exitFlushed })
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) process.on(signal, () => shutdown(signal))
}

function addressOf(server: Server): { host: string; port: number } {
  const { address, port } = server.address() as AddressInfo
  return { host: address, port }
}

/** A bug leaves an unknown state behind, so the process logs it and exits, and its supervisor restarts it. */
function exitAfterBug(error: unknown): void {
  logger.fatal({ event: 'uncaught_exception', ...describeError(error) })
  exitFlushed(1)
}

/**
 * Exits once the log is written. If nobody reads the log, kills the process, because `exit` would wait for
 * the pending write.
 */
function exitFlushed(code: number): void {
  logger.flush(() => process.exit(code))
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), flushTimeoutMs)
}
