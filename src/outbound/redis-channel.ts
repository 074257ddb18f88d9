import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from '../telemetry/logger.ts'
import { createRedis, openClient, toFault, within, type RedisClient, type RedisFault } from './redis.ts'

interface Listener {
  /** Another replica said this. */
  receive(message: string): void
  /** It listens from now on. Earlier messages, and those sent while the connection was lost, are missed. */
  resume(): void
}

export interface Channel {
  /** Tells the other replicas. Resolves when Redis has passed the message on, or soon after if it cannot. */
  publish(message: string): Promise<void>
  /** Listens until `close`. Called once. */
  listen(listener: Listener): void
  close(): void
}

interface ChannelOptions {
  url: string
  name: string
  /** Of connecting, publishing, and the answer to a ping. */
  timeoutMs: number
  logger: Logger
}

const pingEveryMs = 5_000
const minPauseMs = 250
const maxPauseMs = 5_000

/**
 * Talks to the other replicas by Redis publish/subscribe, which keeps nothing for a listener that is away.
 */
export function createChannel({ url, name, timeoutMs, logger }: ChannelOptions): Channel {
  const redis = createRedis({ url, timeoutMs })
  const self = randomUUID()
  const closing = new AbortController()
  const [noticeListening, noticePublishing] = [createNotice('listen'), createNotice('publish')]

  async function keepListening(listener: Listener): Promise<void> {
    let pauseMs = minPauseMs
    while (!closing.signal.aborted) {
      try {
        await listenOnce(listener, () => {
          pauseMs = minPauseMs
          noticeListening()
        })
      } catch (error) {
        if (!closing.signal.aborted) noticeListening(await toFault(error))
      }
      await wait(pauseMs, undefined, { signal: closing.signal, ref: false }).catch(() => undefined)
      pauseMs = Math.min(pauseMs * 2, maxPauseMs)
    }
  }

  /** Listens on one connection until it is lost. */
  async function listenOnce(listener: Listener, begin: () => void): Promise<void> {
    const client = openClient(await import('@redis/client'), url, timeoutMs)
    const end = () => client.destroy()
    closing.signal.addEventListener('abort', end)
    try {
      const lost = new Promise((_resolve, reject) => client.once('error', reject).once('end', reject))
      lost.catch(() => undefined)
      await within(
        timeoutMs,
        client.connect().then(() => subscribe(client, listener)),
        end,
      )
      begin()
      listener.resume()
      await Promise.race([lost, keepPinging(client, end)])
    } finally {
      closing.signal.removeEventListener('abort', end)
      end()
    }
  }

  async function subscribe(client: RedisClient, listener: Listener): Promise<void> {
    await client.subscribe(name, (message) => {
      const [sender, text = ''] = message.split(' ')
      if (sender !== self) listener.receive(text)
    })
  }

  /** A silent connection may be a dead one, which TCP alone would notice after a quarter of an hour. */
  async function keepPinging(client: RedisClient, expire: () => void): Promise<void> {
    for (;;) {
      await wait(pingEveryMs, undefined, { ref: false })
      await within(timeoutMs, client.ping(), expire)
    }
  }

  async function publish(message: string): Promise<void> {
    try {
      await redis.run((client) => client.publish(name, `${self} ${message}`))
      noticePublishing()
    } catch (error) {
      noticePublishing(await toFault(error))
    }
  }

  /** Logs once that the replicas cannot reach each other, and once that they can again. */
  function createNotice(direction: 'listen' | 'publish'): (fault?: RedisFault) => void {
    let works = true
    return function noticeChange(fault) {
      if (works === (fault === undefined)) return
      works = !works
      const fields = { event: 'redis_channel', channel: name, direction }
      if (fault === undefined) logger.info({ ...fields, state: 'joined' })
      else logger.warn({ ...fields, state: 'left', outcome: fault.outcome })
    }
  }

  return {
    publish,
    listen: (listener) => void keepListening(listener),
    close() {
      closing.abort()
      redis.close()
    },
  }
}
