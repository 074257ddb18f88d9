import { SignJWT } from 'jose'
import { expect } from 'vitest'
import { createBroker } from '../../src/broker.ts'
import { loadConfig } from '../../src/config/config.ts'
import { createHttpServer } from '../../src/http/http-server.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { atEnd } from './clean-up.ts'
import { listen, portOf, shut } from './listen.ts'
import { hasUnknownOutcome } from './outcomes.ts'
import { startVendor } from './vendor.ts'

export const sessionSecret = 'the customer app signs its sessions with this secret'

/** A valid environment; each test spoils or adds one thing. */
export const validEnvironment = {
  WIDGET_BASE_URL: 'http://127.0.0.1:9',
  WIDGET_COMMUNITY_ID: 'community-1',
  WIDGET_API_KEY: 'widget-api-key-1',
  SUBJECT_KEY: 'subject-key-for-tests',
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

type Environment = Record<string, string | undefined>

/** The real broker and a vendor for it, until the test is over, or the file where it is called outside of a test. */
export async function useBroker(environment: Environment = {}) {
  const vendor = await startVendor()
  const broker = await startBroker({ WIDGET_BASE_URL: vendor.url, ...environment })
  return { vendor, broker }
}

/** The real broker by the real configuration, on a free port, with its log lines kept. */
export async function startBroker(environment: Environment = {}, { signInForm = false } = {}) {
  const lines: string[] = []
  const config = loadConfig({ ...validEnvironment, ...environment })
  const logger = createLogger({ level: config.logLevel, destination: { write: (line) => lines.push(line) } })
  const broker = createBroker({ config, logger, signInForm })
  const server = createHttpServer(broker.app, logger)
  const url = await listen(server)
  broker.lifecycle.state = 'ready'
  return {
    url,
    port: portOf(server),
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
    close: atEnd(async () => {
      await shut(server)
      await broker.close()
      expect(lines.map((line) => JSON.parse(line)).filter(hasUnknownOutcome)).toEqual([])
    }),
  }
}

export type RunningBroker = Awaited<ReturnType<typeof startBroker>>
