import type { Socket } from 'node:net'
import type { buildConnector as BuildConnector } from 'undici'
import { buildConnector } from './undici.ts'

interface ConnectorOptions {
  timeoutMs: number
  /** A certificate authority to trust in place of the system's (PEM). */
  ca?: string
}

/** Opens sockets for undici. Their errors say how much had been read before. */
export function createConnector({ timeoutMs, ca }: ConnectorOptions): BuildConnector.connector {
  const open = buildConnector({ timeout: timeoutMs, ca, ...tryAllAddresses(timeoutMs) })
  return function connect(options, callback) {
    open(options, (...result) => {
      if (result[0] === null) noteUseOnError(result[1])
      callback(...result)
    })
  }
}

/**
 * Node gives each address of a host a quarter of a second before the next (RFC 8305). A short deadline would
 * end before the last.
 */
function tryAllAddresses(timeoutMs: number) {
  const usualMs = 250
  return {
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: Math.min(usualMs, Math.ceil(timeoutMs / 4)),
  }
}

/** Tells a connection that died while idle from one that the peer refused. */
function noteUseOnError(socket: Socket): void {
  socket.on('error', (error) => Object.assign(error, { bytesRead: socket.bytesRead }))
}
