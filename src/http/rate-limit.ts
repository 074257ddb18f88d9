import type { ErrorRequestHandler } from 'express'
import {
  createLocalCounter,
  createSharedCounter,
  createStoreNotice,
  type Count,
  type Counter,
} from './counter.ts'
import { createCache } from '../lib/cache.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Problem } from '../problems.ts'
import type { Notice } from '../outbound/redis-fault.ts'
import { createRedis, type Redis } from '../outbound/redis.ts'
import { clientNetwork } from './client-address.ts'

/**
 * Counts one use by `key`: gives the `RateLimit` fields of the answer, throws 429 when it is one too many.
 */
export type Limit = (key: string) => RateLimitFields | Promise<RateLimitFields>

type RateLimitFields = Record<Lowercase<string>, string>

/**
 * Counts one vendor token by its door and the user's `subject`, as a `Limit` does. Each door has a limit of
 * its own: a key of both would be one more string for each user.
 */
export type MintLimit = (door: string, subject: string) => ReturnType<Limit>

export interface RateLimits {
  mints: MintLimit
  /** Of fresh questions to a session source, which a request demands, by credential. */
  freshQuestions: Limit
  refusals: RefusalLimit
  /** Switches to another Redis, if there was one from the start. */
  useRedis(url: string | undefined): void
  close(): void
}

interface RateLimitOptions {
  perMinute: number
  /** The Redis in which replicas count together. Without it, each counts on its own. */
  redisUrl?: string
  logger: Logger
}

/** What a limit counts by. */
type LimitName = 'user' | 'session' | 'address'

const windowMs = 60_000
const maxKeys = 50_000
const redisTimeoutMs = 300
const refusalsPerMint = 10

/** Makes the limits of `RATE_LIMIT_PER_MINUTE`. */
export function createRateLimits({ perMinute, redisUrl, logger }: RateLimitOptions): RateLimits {
  const redis = redisUrl === undefined ? undefined : createRedis({ url: redisUrl, timeoutMs: redisTimeoutMs })
  const notice = createStoreNotice(logger)
  const limitOf = (name: LimitName, quota: number, counted: string = name) =>
    createLimit(name, quota, createCounter(counted, redis, notice))
  const ofDoors = new Map<string, Limit>()
  return {
    mints(door, subject) {
      const limit = ofDoors.get(door) ?? limitOf('user', perMinute, `user:${door}`)
      ofDoors.set(door, limit)
      return limit(subject)
    },
    freshQuestions: limitOf('session', perMinute),
    refusals: createRefusalLimit(limitOf('address', perMinute * refusalsPerMint)),
    useRedis(url) {
      if (url !== undefined) redis?.moveTo(url)
    },
    close: () => redis?.close(),
  }
}

function createCounter(name: string, redis: Redis | undefined, notice: Notice) {
  const fallback = createLocalCounter({ windowMs, maxKeys })
  if (redis === undefined) return fallback
  return createSharedCounter({ redis, windowMs, prefix: `token-broker:${name}:`, fallback, notice })
}

/**
 * The fields are those of draft-ietf-httpapi-ratelimit-headers-11: quota and window, then what remains and
 * for how long.
 */
function createLimit(name: LimitName, quota: number, counter: Counter): Limit {
  const policy = `"${name}";q=${quota};w=${windowMs / 1000}`
  return function take(key) {
    const counted = counter(key)
    return counted instanceof Promise ? counted.then(judge) : judge(counted)
  }

  function judge({ count, leftMs }: Count): RateLimitFields {
    const seconds = Math.max(1, Math.ceil(leftMs / 1000))
    const remaining = Math.max(0, quota - count)
    const headers = { 'ratelimit-policy': policy, ratelimit: `"${name}";r=${remaining};t=${seconds}` }
    if (count <= quota) return headers
    const outcome = `${name}_limit` as const
    throw new Problem('rate_limited', { headers, retryAfterSeconds: seconds, diagnosis: { outcome } })
  }
}

/** Which client networks had too many refused credentials and origins. */
export interface RefusalLimit {
  count(network: string): Promise<void>
  /** The 429 for a network that is over its limit; undefined for any other. */
  excessOf: (network: string) => Problem | undefined
}

function createRefusalLimit(take: Limit): RefusalLimit {
  const excesses = createCache<{ problem: Problem; endsAt: number }>(maxKeys)
  return {
    async count(network) {
      try {
        await take(network)
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem
        const leftMs = Number(problem.headers['retry-after']) * 1000
        excesses.set(network, { problem, endsAt: Math.floor(performance.now() + leftMs) })
      }
    },
    excessOf(network) {
      const excess = excesses.get(network)
      return excess !== undefined && excess.endsAt > performance.now() ? excess.problem : undefined
    },
  }
}

/**
 * Counts what a token route refuses for its credentials or origin. The answer stays as it is: a page must
 * learn of a sign-out, however many strangers share its address. A request without any credential costs
 * nothing and is not counted.
 */
export function countRefusals(refusals: RefusalLimit): ErrorRequestHandler {
  return async function countRefusal(error, request, _response, next) {
    if (isRefusal(error)) await refusals.count(clientNetwork(request))
    next(error)
  }
}

/** A token whose key is not known yet counts too: strangers can send such tokens at will. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof Problem) || error.code === 'session_missing') return false
  return [400, 401, 403].includes(error.status) || error.diagnosis.outcome === 'key_not_known_yet'
}
