// The library is loaded with the first connection: it is a good part of the start, and most brokers need no Redis.
type Library = typeof import('@redis/client')

/**
 * `redis_offline`: no connection, or it was lost; `redis_timeout`: no answer in time; `redis_refused`: Redis answered
 * with an error (login, rights, loading).
 */
export type RedisOutcome = 'redis_offline' | 'redis_timeout' | 'redis_refused'

/** Commands that brought no answer. Carries a word of ours: a message of Redis may quote a key. */
export class RedisFault extends Error {
  readonly outcome: RedisOutcome

  constructor(outcome: RedisOutcome, cause?: unknown) {
    super(outcome, { cause })
    this.outcome = outcome
  }
}

export type RedisClient = ReturnType<typeof openClient>

export interface Redis {
  /** Runs commands on a live connection, made first where there is none. Rejects with `RedisFault`, at the latest after `timeoutMs`. */
  run<Result>(work: (client: RedisClient) => Promise<Result>): Promise<Result>
  close(): void
}

interface RedisOptions {
  url: string
  /** One deadline for connecting, login and answer together. */
  timeoutMs: number
}

const pauseMs = 500
const maxConnectMs = 2_000

/**
 * A Redis that may be away at any time, also now. Nothing waits in a queue and nothing runs in the background: a lost
 * connection is made anew by the next use, and after a fault the next uses fail at once for half a second.
 */
export function createRedis({ url, timeoutMs }: RedisOptions): Redis {
  let client: RedisClient | undefined
  let opening: Promise<RedisClient> | undefined
  let pausedUntil = 0

  function connect(): Promise<RedisClient> {
    if (client?.isReady) return Promise.resolve(client)
    if (performance.now() < pausedUntil) return Promise.reject(new RedisFault('redis_offline'))
    opening ??= open().finally(() => {
      opening = undefined
    })
    return opening
  }

  async function open(): Promise<RedisClient> {
    const library = await import('@redis/client')
    if (pausedUntil === Infinity) throw new RedisFault('redis_offline')
    client = openClient(library, url, timeoutMs)
    try {
      await client.connect()
      return client
    } catch (error) {
      abandon()
      throw error
    }
  }

  // A silent connection may be a dead one, which TCP alone would notice after a quarter of an hour.
  function abandon(): void {
    client?.destroy()
    client = undefined
    pausedUntil = Math.max(pausedUntil, performance.now() + pauseMs)
  }

  async function run<Result>(work: (live: RedisClient) => Promise<Result>): Promise<Result> {
    try {
      return await within(timeoutMs, connect().then(work), abandon)
    } catch (error) {
      throw await toFault(error)
    }
  }

  connect().catch(() => undefined)
  return {
    run,
    close() {
      abandon()
      pausedUntil = Infinity
    },
  }
}

/** A client that has still to connect. */
export function openClient({ createClient }: Library, url: string, timeoutMs: number) {
  const client = createClient({
    url,
    // RESP2 needs no greeting, so that a user who may only read keys is enough, and an old Redis too.
    RESP: 2,
    maintNotifications: 'disabled',
    disableClientInfo: true,
    disableOfflineQueue: true,
    commandOptions: { timeout: 0 },
    socket: { connectTimeout: Math.min(timeoutMs, maxConnectMs), reconnectStrategy: false },
  })
  // Each fault reaches the one who asked; without a listener it would also end the process.
  client.on('error', () => undefined)
  client.unref()
  return client
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
  const { ErrorReply } = await import('@redis/client')
  return new RedisFault(error instanceof ErrorReply ? 'redis_refused' : 'redis_offline', error)
}
