import type { ErrorRequestHandler } from 'express'
import ipaddr from 'ipaddr.js'
import {
  createLocalCounter,
  createSharedCounter,
  createStoreNotice,
  type Count,
  type Counter,
} from './counter.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Problem } from '../problems.ts'
import { createRedis, type Redis } from '../outbound/redis.ts'
import { clientAddress } from './request-log.ts'

/** Counts one use by `key`: gives the `RateLimit` fields of the answer, throws 429 when it is one too many. */
export type Limit = (key: string) => RateLimitFields | Promise<RateLimitFields>

type RateLimitFields = Record<Lowercase<string>, string>

export interface RateLimits {
  /** Of vendor tokens, by door and the user's `subject`. */
  mints: Limit
  /** Of refused requests, by client network. */
  refusals: Limit
  close(): void
}

interface RateLimitOptions {
  perMinute: number
  /** Where replicas count together; without it each counts for itself. */
  redisUrl?: string
  logger: Logger
}

const windowMs = 60_000
const maxKeys = 50_000
const redisTimeoutMs = 300
const refusalsPerMint = 10

/** Makes the limits of `RATE_LIMIT_PER_MINUTE`. */
export function createRateLimits({ perMinute, redisUrl, logger }: RateLimitOptions): RateLimits {
  const redis = redisUrl === undefined ? undefined : createRedis({ url: redisUrl, timeoutMs: redisTimeoutMs })
  const notice = createStoreNotice(logger)
  const counterOf = (name: string) => createCounter(name, redis, notice)
  return {
    mints: createLimit('user', perMinute, counterOf('user')),
    refusals: createLimit('address', perMinute * refusalsPerMint, counterOf('address')),
    close: () => redis?.close(),
  }
}

function createCounter(name: string, redis: Redis | undefined, notice: ReturnType<typeof createStoreNotice>) {
  const fallback = createLocalCounter({ windowMs, maxKeys })
  if (redis === undefined) return fallback
  return createSharedCounter({ redis, windowMs, prefix: `token-broker:${name}:`, fallback, notice })
}

/** The fields are those of draft-ietf-httpapi-ratelimit-headers-11: quota and window, then what remains and for how long. */
function createLimit(name: string, quota: number, counter: Counter): Limit {
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
    const diagnosis = { outcome: `${name}_limit` }
    throw new Problem('rate_limited', { headers, retryAfterSeconds: seconds, diagnosis })
  }
}

/**
 * Counts what a token route refuses for its credentials or origin (400, 401, 403), and answers 429 instead when the
 * client's network had too many of these. Whoever has a good session never gets here, however full its address is.
 */
export function limitRefusals(refusals: Limit): ErrorRequestHandler {
  return async function countRefusal(error, request, _response, next) {
    const address = clientAddress(request)
    if (isRefusal(error) && address !== undefined) await refusals(networkOf(address))
    next(error)
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof Problem && [400, 401, 403].includes(error.status)
}

/** An IPv4 address, also where it came IPv4-mapped, or the /56 of an IPv6 one: a subscriber has at least that many. */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address
  const parsed = ipaddr.process(address)
  if (parsed.kind() === 'ipv4') return parsed.toString()
  return `${Buffer.from(parsed.toByteArray().slice(0, 7)).toString('hex')}/56`
}
