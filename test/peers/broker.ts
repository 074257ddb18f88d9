import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { SignJWT } from 'jose'
import { createBroker } from '../../src/broker.ts'
import { loadConfig } from '../../src/config/config.ts'
import { createHttpServer } from '../../src/http/http-server.ts'
import { createLogger } from '../../src/telemetry/logger.ts'

export const sessionSecret = 'the customer app signs its sessions with this secret'

/** A valid environment; each test spoils or adds one thing. */
export const validEnvironment = {
  WIDGET_BASE_URL: 'http://127.0.0.1:9',
  WIDGET_COMMUNITY_ID: 'community-1',
  WIDGET_API_KEY: 'widget-api-key-1',
  SUBJECT_KEY: 'subject-key-1',
  SESSION_MODE: 'jwt',
  SESSION_JWT_SECRET: sessionSecret,
  ALLOWED_ORIGINS: 'https://app.example.com',
}

interface SessionClaims {
  [name: string]: unknown
}

/** A session of the customer's app: valid for five minutes, for Ada, unless a test says otherwise. */
export function signSession(claims: SessionClaims = {}, secret = sessionSecret): Promise<string> {
  const seconds = Math.floor(Date.now() / 1000)
  return new SignJWT({ sub: 'ada', email: 'ada@example.com', exp: seconds + 300, ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(secret))
}

/** The real broker by the real configuration, on a free port, with its log lines kept. */
export async function startBroker(
  environment: Record<string, string | undefined> = {},
  { signInForm = false } = {},
) {
  const lines: string[] = []
  const config = loadConfig({ ...validEnvironment, ...environment })
  const logger = createLogger({ level: config.logLevel, destination: { write: (line) => lines.push(line) } })
  const broker = createBroker({ config, logger, signInForm })
  const server = createHttpServer(broker.app, logger)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  broker.lifecycle.state = 'ready'
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    port,
    server,
    broker,
    /** The log as text, and each line parsed. */
    logText: () => lines.join(''),
    logLines: (): Record<string, unknown>[] => lines.map((line) => JSON.parse(line)),
    /** Asks for a token as a script of the allowed page does, with Ada's session unless headers say otherwise. */
    async askToken(headers: Record<string, string> = {}, path = '/widget-token') {
      const sent = new Headers({ origin: 'https://app.example.com', ...headers })
      if (!sent.has('authorization') && !sent.has('cookie'))
        sent.set('authorization', `Bearer ${await signSession()}`)
      return fetch(url + path, { method: 'POST', headers: sent })
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await broker.close()
    },
  }
}

export type RunningBroker = Awaited<ReturnType<typeof startBroker>>
