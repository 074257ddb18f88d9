import { toFault as toOutboundFault } from './fault.ts'

/** `outcomes.ts` says what each means. */
export type RedisOutcome =
  | 'redis_offline'
  | 'redis_timeout'
  | 'redis_tls'
  | 'redis_auth'
  | 'redis_permission'
  | 'redis_moved'
  | 'redis_readonly'
  | 'redis_refused'

/** Commands that got no answer. Has only our own words, because a message of Redis may quote a key. */
export class RedisFault extends Error {
  readonly outcome: RedisOutcome

  constructor(outcome: RedisOutcome, cause?: unknown) {
    super(outcome, { cause })
    this.outcome = outcome
  }
}

/** Learns how each use of Redis ends: with a fault, or without one. */
export type Notice = (fault?: RedisFault) => void

/** Tells only of changes: of the first fault, and of the first use that succeeds again. */
export function onChange(tell: Notice): Notice {
  let works = true
  return function noticeChange(fault) {
    if (works === (fault === undefined)) return
    works = !works
    tell(fault)
  }
}

/** The result of work, or a `redis_timeout` after which `expire` is called. */
export function within<Result>(
  timeoutMs: number,
  work: Promise<Result>,
  expire: () => void,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new RedisFault('redis_timeout'))
      expire()
    }, timeoutMs)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

/** Names a fault of the library. */
export async function toFault(error: unknown): Promise<RedisFault> {
  if (error instanceof RedisFault) return error
  const { ConnectionTimeoutError, ErrorReply } = await import('@redis/client')
  if (error instanceof ErrorReply) return new RedisFault(nameReply(error.message), error)
  if (error instanceof ConnectionTimeoutError) return new RedisFault('redis_timeout', error)
  const { outcome } = toOutboundFault(error, 'connect')
  return new RedisFault(outcome === 'tls_failure' ? 'redis_tls' : 'redis_offline', error)
}

/** The words by which Redis begins an error, or which a script's error carries inside. */
const replies: [RegExp, RedisOutcome][] = [
  [/^(NOAUTH|WRONGPASS)\b|\bAUTH\b|invalid password/, 'redis_auth'],
  [/\bNOPERM\b|no permissions/, 'redis_permission'],
  [/^(MOVED|ASK|CLUSTERDOWN|CROSSSLOT)\b/, 'redis_moved'],
  [/\bREADONLY\b/, 'redis_readonly'],
]

function nameReply(message: string): RedisOutcome {
  return replies.find(([pattern]) => pattern.test(message))?.[1] ?? 'redis_refused'
}
