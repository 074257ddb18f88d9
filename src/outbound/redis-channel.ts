import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from '../telemetry/logger.ts'
import { createRedis, openClient } from './redis.ts'
import { onChange, toFault, within, type Notice } from './redis-fault.ts'

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
  /** Switches to another address. Still listens at the old one until the other replicas have switched too. */
  moveTo(url: string): void
  close(): void
}

interface ChannelOptions {
  url: string
  name: string
  /** The deadline for connecting, for publishing, and for the answer to a ping. */
  timeoutMs: number
  logger: Logger
}

const pingEveryMs = 5_000
const minPauseMs = 250
const maxPauseMs = 5_000
/** The replicas read their files within two seconds of each other. */
const moveMs = 5_000

/**
 * Talks to the other replicas by Redis publish/subscribe, which keeps nothing for a listener that is
 * disconnected.
 */
export function createChannel({ url: initialUrl, name, timeoutMs, logger }: ChannelOptions): Channel {
  let url = initialUrl
  const redis = createRedis({ url, timeoutMs })
  const self = randomUUID()
  const closing = new AbortController()
  const noticeListening = createNotice('listen')
  const noticePublishing = createNotice('publish')
  let follow: (() => void) | undefined

  /** Listens at the current address, and stops a while after the address has changed. */
  async function keepListening(listener: Listener): Promise<void> {
    const target = url
    const moved = new AbortController()
    const ended = AbortSignal.any([closing.signal, moved.signal])
    const notice: Notice = (fault) => (target === url ? noticeListening(fault) : undefined)
    follow = () => {
      setTimeout(() => moved.abort(), moveMs).unref()
      void keepListening(listener)
    }
    let pauseMs = minPauseMs
    while (!ended.aborted) {
      try {
        await listenOnce(target, listener, ended, () => {
          pauseMs = minPauseMs
          notice()
        })
      } catch (error) {
        if (!ended.aborted) notice(await toFault(error))
      }
      await wait(pauseMs, undefined, { signal: ended, ref: false }).catch(() => undefined)
      pauseMs = Math.min(pauseMs * 2, maxPauseMs)
    }
  }

  /** Listens on one connection until it is lost. */
  async function listenOnce(target: string, listener: Listener, ended: AbortSignal, begin: () => void) {
    const library = await import('@redis/client')
    ended.throwIfAborted()
    const client = openClient(library, target, timeoutMs)
    const end = () => client.destroy()
    ended.addEventListener('abort', end)
    try {
      const lost = new Promise((_resolve, reject) => client.once('error', reject).once('end', reject))
      lost.catch(() => undefined)
      const subscribed = client.connect().then(() => client.subscribe(name, receive))
      await within(timeoutMs, subscribed, end)
      begin()
      listener.resume()
      await Promise.race([lost, keepPinging(() => client.ping(), end)])
    } finally {
      ended.removeEventListener('abort', end)
      end()
    }

    function receive(message: string): void {
      const [sender, text = ''] = message.split(' ')
      if (sender !== self) listener.receive(text)
    }
  }

  /** A silent connection may be a dead one, which TCP alone would notice after a quarter of an hour. */
  async function keepPinging(ping: () => Promise<unknown>, expire: () => void): Promise<void> {
    for (;;) {
      await wait(pingEveryMs, undefined, { ref: false })
      await within(timeoutMs, ping(), expire)
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
  function createNotice(direction: 'listen' | 'publish'): Notice {
    const fields = { event: 'redis_channel', channel: name, direction }
    return onChange((fault) => {
      if (fault === undefined) logger.info({ ...fields, state: 'joined' })
      else logger.warn({ ...fields, state: 'left', outcome: fault.outcome })
    })
  }

  return {
    publish,
    listen: (listener) => void keepListening(listener),
    moveTo(next) {
      if (next === url) return
      url = next
      redis.moveTo(next)
      follow?.()
    },
    close() {
      closing.abort()
      redis.close()
    },
  }
}
