import { RedisFault, toFault, within, type RedisOutcome } from './redis-fault.ts'

// The library is loaded with the first connection: it would take a good part of the start, and most brokers
// need no Redis.
type Library = typeof import('@redis/client')

type RedisClient = ReturnType<typeof openClient>

export interface Redis {
  /**
   * Runs commands on a live connection, and opens one if there is none. Rejects with `RedisFault`, at the
   * latest after `timeoutMs`.
   */
  run<Result>(work: (client: RedisClient) => Promise<Result>): Promise<Result>
  /** Switches to another address. Commands in progress finish at the old one. */
  moveTo(url: string): void
  close(): void
}

interface RedisOptions {
  url: string
  /** One deadline for connecting, login and answer together. */
  timeoutMs: number
}

interface Connection {
  client: RedisClient
  openedAt: number
}

const pauseMs = 500
const maxConnectMs = 2_000

/**
 * A Redis that may be down at any time, even at the start. Nothing waits in a queue and nothing runs in the
 * background: the next use replaces a lost connection, and after a fault the next uses fail at once for half
 * a second.
 */
export function createRedis({ url: initialUrl, timeoutMs }: RedisOptions): Redis {
  let url = initialUrl
  let connection: Connection | undefined
  let opening: Promise<Connection> | undefined
  let pausedUntil = 0
  let pausedBy: RedisOutcome = 'redis_offline'

  function connect(): Promise<Connection> {
    if (connection?.client.isReady) return Promise.resolve(connection)
    if (performance.now() < pausedUntil) return Promise.reject(new RedisFault(pausedBy))
    opening ??= open().finally(() => {
      opening = undefined
    })
    return opening
  }

  async function open(): Promise<Connection> {
    const library = await import('@redis/client')
    if (pausedUntil === Infinity) throw new RedisFault('redis_offline')
    const target = url
    const client = openClient(library, target, timeoutMs)
    const opened = { client, openedAt: performance.now() }
    connection = opened
    try {
      await client.connect()
    } catch (error) {
      const fault = await toFault(error)
      abandon(fault.outcome)
      throw fault
    }
    if (target === url) return opened
    retire(opened)
    return open()
  }

  // A silent connection may be a dead one, which TCP alone would notice after a quarter of an hour.
  function abandon(outcome: RedisOutcome): void {
    connection?.client.destroy()
    connection = undefined
    pausedBy = outcome
    pausedUntil = Math.max(pausedUntil, performance.now() + pauseMs)
  }

  /** Closes a connection as soon as its commands in progress have their answers. */
  function retire(retired: Connection): void {
    if (connection === retired) connection = undefined
    retired.client.close().catch(() => retired.client.destroy())
  }

  async function run<Result>(work: (live: RedisClient) => Promise<Result>): Promise<Result> {
    let used: Connection | undefined
    const attempt = async () => {
      used = await connect()
      return work(used.client)
    }
    const followingRoles = attempt().catch(async (error: unknown) => {
      const fault = await toFault(error)
      if (fault.outcome !== 'redis_readonly' || used === undefined || !leave(used)) throw fault
      return attempt()
    })
    try {
      return await within(timeoutMs, followingRoles, () => abandon('redis_timeout'))
    } catch (error) {
      throw await toFault(error)
    }
  }

  /**
   * After a failover, only a new connection can reach the primary. Returns whether there is one to try: a
   * connection that is itself new stays for half a second.
   */
  function leave(used: Connection): boolean {
    if (connection !== used) return true
    if (performance.now() - used.openedAt < pauseMs) return false
    retire(used)
    return true
  }

  function moveTo(next: string): void {
    if (next === url) return
    url = next
    if (connection?.client.isReady) retire(connection)
    if (pausedUntil !== Infinity) pausedUntil = 0
    connect().catch(() => undefined)
  }

  connect().catch(() => undefined)
  return {
    run,
    moveTo,
    close() {
      abandon('redis_offline')
      pausedUntil = Infinity
    },
  }
}

/** A client that is not connected yet. */
export function openClient({ createClient }: Library, url: string, timeoutMs: number) {
  const client = createClient({
    url,
    // RESP2 needs no greeting. So the right to read keys is enough, and so is an old Redis.
    RESP: 2,
    maintNotifications: 'disabled',
    disableClientInfo: true,
    disableOfflineQueue: true,
    commandOptions: { timeout: 0 },
    socket: { connectTimeout: Math.min(timeoutMs, maxConnectMs), reconnectStrategy: false },
  })
  // The caller of each command gets its fault. Without a listener, it would also end the process.
  client.on('error', () => undefined)
  client.unref()
  return client
}
