import type { Express } from 'express'
import { createApp } from './app.ts'
import type { Config } from './config/config.ts'
import { watchSecretFiles } from './config/secret-watch.ts'
import { createHttpClient } from './outbound/client.ts'
import { createChannel } from './outbound/redis-channel.ts'
import type { PageOptions } from './routes/page.ts'
import type { Metrics } from './telemetry/metrics.ts'
import { createRateLimits } from './http/rate-limit.ts'
import { createCookieHandOn } from './http/renewed-session.ts'
import { createLifecycle, type Lifecycle } from './http/lifecycle.ts'
import type { Logger } from './telemetry/logger.ts'
import { createSessions } from './session/sessions.ts'
import type { SessionVerifier } from './session/verifier.ts'
import { createIdentify, sessionOfEmail } from './session/identity.ts'
import { createRotatingVerifier } from './session/rotation.ts'
import { createTokens } from './tokens.ts'
import { createDoors } from './returning-ai/doors.ts'
import { startProbe } from './returning-ai/probe.ts'

export interface Broker {
  app: Express
  lifecycle: Lifecycle
  close(): Promise<void>
}

interface BrokerOptions {
  config: Config
  logger: Logger
  /** Whether the page offers a sign-in form, as the demo's does. */
  signInForm?: boolean
  metrics?: Metrics
  /** Receives the secrets that a file now holds, before they are used. */
  seekSecrets?: (secrets: readonly string[]) => void
}

/** Wires the parts according to the configuration. Opens no port and reads no environment. */
export function createBroker({
  config,
  logger,
  signInForm = false,
  metrics,
  seekSecrets,
}: BrokerOptions): Broker {
  if (config.sessions.identity.requireVerifiedEmail === false) warnOfUnverifiedEmails(logger)
  const client = createHttpClient(clientOptions(config))
  // An app may answer with some twenty kilobytes of cookies.
  const sourceClient = createHttpClient({ ...clientOptions(config), maxHeaderBytes: 64 * 1024 })
  const verifiers = config.sessions.modes.map((mode) =>
    createRotatingVerifier(mode, {
      client: sourceClient,
      publicUrls: config.publicUrls,
      logger,
      ...config.sessions,
    }),
  )
  const limits = createRateLimits({ ...config.rateLimit, logger })
  const channel = createReplicaChannel(verifiers, config, logger)
  const sessions = createSessions(verifiers, createIdentify(config.sessions.identity), {
    observe: metrics?.sessionVerified,
    timeoutMs: config.sessions.timeoutMs,
    excessOf: limits.refusals.excessOf,
    limitFresh: limits.freshQuestions,
    channel,
  })
  const doors = createDoors(config, { client, logger, metrics })
  const lifecycle = createLifecycle()
  const app = createApp({
    allowedOrigins: config.allowedOrigins,
    ownOrigins: new Set(config.publicUrls.map(({ origin }) => origin)),
    trustedProxies: config.trustedProxies,
    lifecycle,
    limits,
    logger,
    metrics,
    sessions,
    tokens: createTokens({ limit: limits.mints, logger, metrics, cacheMs: config.tokenCacheMs }),
    ...doors,
    handOnCookies: createCookieHandOn({ publicUrls: config.publicUrls, appUrl: appUrlOf(config), logger }),
    page: pageOptions(config, signInForm),
    secrets: config.secrets,
  })
  const testUser =
    config.probeEmail === undefined ? undefined : sessionOfEmail(config.probeEmail, config.sessions.identity)
  const probe = testUser && startProbe({ doors, session: testUser, logger, metrics })
  const secretWatch = watchSecretFiles({ config, apply: applySecrets, logger })
  return { app, lifecycle, close }

  /** Takes the secrets that a file now holds. Everything else of the configuration is as it was at start. */
  function applySecrets(changed: Config): void {
    seekSecrets?.(changed.secrets)
    doors.replace(changed)
    probe?.run()
    limits.useRedis(changed.rateLimit.redisUrl)
    if (changed.rateLimit.redisUrl !== undefined) channel?.moveTo(changed.rateLimit.redisUrl)
    for (const one of [client, sourceClient]) one.useProxy(changed.proxy.https)
    for (const [index, mode] of changed.sessions.modes.entries()) verifiers[index]?.replace(mode)
  }

  async function close(): Promise<void> {
    secretWatch.close()
    probe?.close()
    limits.close()
    channel?.close()
    for (const verifier of verifiers) verifier.close?.()
    await Promise.all([client.close(), sourceClient.close()])
  }
}

function clientOptions({ vendor, proxy }: Config) {
  return {
    maxConnections: vendor.maxConnections,
    connectTimeoutMs: vendor.timeoutMs / 2,
    httpsProxy: proxy.https,
    noProxy: proxy.no,
  }
}

/** What the broker's own page may know of the configuration. */
function pageOptions(config: Config, signInForm: boolean): PageOptions {
  return {
    enabled: config.statusPage,
    widgetOrigin: config.vendor.baseUrl.origin,
    apiOrigin: config.accessKey?.apiUrl.origin,
    communityId: config.communityId,
    allowedOrigins: [...config.allowedOrigins],
    doors: [...(config.signin ? ['signin'] : []), ...(config.accessKey ? ['access_key'] : [])],
    widgets: config.widgets,
    signInForm,
    publicUrls: config.publicUrls,
  }
}

/** On this channel, replicas tell each other of sessions verified again. Undefined if they remember none. */
function createReplicaChannel(verifiers: readonly SessionVerifier[], { rateLimit }: Config, logger: Logger) {
  const remembers = verifiers.some((verifier) => verifier.remote && verifier.rememberMs > 0)
  if (rateLimit.redisUrl === undefined || !remembers) return undefined
  return createChannel({ url: rateLimit.redisUrl, name: 'token-broker:sessions', logger, timeoutMs: 300 })
}

/** Where the customer's app is asked who is signed in. */
function appUrlOf({ sessions }: Config): URL | undefined {
  for (const mode of sessions.modes) if (mode.mode === 'forward-auth') return mode.url
  return undefined
}

/** At each start, because the operator may have chosen it long ago. */
function warnOfUnverifiedEmails(logger: Logger): void {
  const advice =
    'With SESSION_REQUIRE_VERIFIED_EMAIL=false, a user who can choose any email at the session source ' +
    'can get the token of another user'
  logger.warn({ event: 'unverified_emails_accepted' }, advice)
}
