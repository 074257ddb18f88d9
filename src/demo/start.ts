import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createBroker } from '../broker.ts'
import { loadConfig } from '../config/config.ts'
import { createHttpServer } from '../http/http-server.ts'
import { createExactRouter } from '../http/router.ts'
import { createLogger } from '../telemetry/logger.ts'
import { createSandbox } from '../sandbox/sandbox.ts'
import { createDemoApp } from './customer-app.ts'
import { createOutcomes } from './outcomes.ts'

const widgets = [
  'channel-widget:64f0c2a1b3d4e5f607182931',
  'store-widget:64f0c2a1b3d4e5f607182932',
  'milestone-widget:64f0c2a1b3d4e5f607182933',
  'currency-overview-widget:64f0c2a1b3d4e5f607182934',
  'public:custom-leaderboards:64f0c2a1b3d4e5f607182935',
].join(',')

export interface DemoOptions {
  host: string
  /** 0 means any free port. */
  port: number
  sandboxPort: number
  /** Origins of other pages that may embed the widgets, comma-separated. */
  allowedOrigins?: string
  logLevel: string
}

/** The broker cannot listen on a port. The message names the variable to change. */
export class PortError extends Error {}

/** Starts the sandbox, the demo's app and the real broker in front of it; resolves to its address. */
export async function startDemo({ host, port, sandboxPort, allowedOrigins, logLevel }: DemoOptions) {
  const credentials = {
    communityId: 'demo-community',
    apiKey: randomBytes(24).toString('base64url'),
    accessId: randomBytes(12).toString('base64url'),
    accessKey: randomBytes(24).toString('base64url'),
  }
  const sandbox = createSandbox({ ...credentials, apiKeys: [credentials.apiKey] })
  const app = createExactRouter()
  const logger = createLogger({ level: logLevel })
  const server = createHttpServer(app, logger)
  const sandboxServer = createServer(sandbox.app)
  const ports = {
    broker: await listen(server, port, host, 'PORT'),
    sandbox: await listen(sandboxServer, sandboxPort, host, 'SANDBOX_PORT'),
  }

  const vendor = `http://127.0.0.1:${ports.sandbox}`
  const config = loadConfig({
    WIDGET_BASE_URL: vendor,
    WIDGET_COMMUNITY_ID: credentials.communityId,
    WIDGET_API_KEY: credentials.apiKey,
    RAI_API_URL: vendor,
    RAI_ACCESS_ID: credentials.accessId,
    RAI_ACCESS_KEY: credentials.accessKey,
    RAI_USER_IDENTIFIERS: 'data-customer-id=sub,data-email=email',
    WIDGETS: widgets,
    ALLOWED_ORIGINS: allowedOrigins,
    SESSION_MODE: 'forward-auth',
    SESSION_FORWARD_URL: `http://127.0.0.1:${ports.broker}/demo/me`,
  })
  const broker = createBroker({ config, logger, signInForm: true })
  const outcomes = createOutcomes()
  app.use('/demo', createDemoApp(sandbox, outcomes))
  app.use(outcomes.watch)
  app.use(broker.app)
  broker.lifecycle.state = 'ready'

  async function close() {
    for (const each of [server, sandboxServer]) {
      each.close()
      each.closeAllConnections()
    }
    await broker.close()
  }
  return { address: `http://localhost:${ports.broker}`, sandboxPort: ports.sandbox, sandbox, close }
}

async function listen(server: Server, port: number, host: string, variable: string): Promise<number> {
  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'is in use' : 'is not available'
    throw new PortError(`Port ${port} ${reason}: set ${variable} to another port.`)
  }
  return (server.address() as AddressInfo).port
}
