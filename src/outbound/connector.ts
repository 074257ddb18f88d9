import type { Socket } from 'node:net'
import type { buildConnector as BuildConnector } from 'undici'
import { buildConnector } from './undici.ts'

interface Connector {
  connect: BuildConnector.connector
  /** Opens connections ahead of the first requests. Nothing is sent, nobody waits, and a failure is no fault. */
  warm(origin: URL, count: number): void
  close(): void
}

interface ConnectorOptions {
  timeoutMs: number
  ca?: string
}

// Below the idle time after which servers commonly hang up on a silent connection (60 s, some 30 s).
const maxIdleMs = 25_000

/** Opens sockets for undici, the ones opened ahead first. */
export function createConnector({ timeoutMs, ca }: ConnectorOptions): Connector {
  const open = buildConnector({ timeout: timeoutMs, ca })
  const parked = new Map<Socket, string>()

  const connect: BuildConnector.connector = (options, callback) => {
    const socket = take(nameOf(options))
    // Not at once: undici asks while it works through its queue, and would not look at that queue again.
    if (socket !== undefined) queueMicrotask(() => callback(null, socket))
    else
      open(options, (...result) => {
        if (result[0] === null) noteUseOnError(result[1])
        callback(...result)
      })
  }

  function take(name: string): Socket | undefined {
    for (const [socket, parkedFor] of parked) {
      if (parkedFor !== name) continue
      parked.delete(socket)
      socket.setTimeout(0).ref()
      if (socket.writable && socket.readable) return socket
    }
    return undefined
  }

  function park(socket: Socket, name: string): void {
    parked.set(socket, name)
    noteUseOnError(socket)
    socket.unref()
    socket.once('close', () => parked.delete(socket))
    socket.setTimeout(maxIdleMs, () => {
      if (parked.has(socket)) socket.destroy()
    })
  }

  return {
    connect,
    warm(origin, count) {
      const { protocol, host, hostname, port } = origin
      const options = { protocol, host, hostname: hostname.replace(/^\[|\]$/g, ''), port }
      for (let opened = 0; opened < count; opened += 1) {
        open(options, (error, socket) => {
          if (error === null) park(socket, nameOf(options))
        })
      }
    },
    close() {
      for (const socket of parked.keys()) socket.destroy()
    },
  }
}

function nameOf({ protocol, hostname, port }: { protocol: string; hostname: string; port: string }): string {
  return `${protocol}//${hostname}:${port}`
}

/** How much had come before an error tells a connection that died idle from one that is refused. */
function noteUseOnError(socket: Socket): void {
  socket.on('error', (error) => Object.assign(error, { bytesRead: socket.bytesRead }))
}
