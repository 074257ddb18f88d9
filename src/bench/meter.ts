import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Server } from 'node:net'

// Loaded before each measured program (`node --import`): tells when it listens, and on request what it has
// used so far.

/** What a measured process has used since its start. */
export interface Usage {
  cpuUs: number
  rssBytes: number
}

export interface Listening {
  port: number
}

subscribe('tracing:net.server.listen:asyncEnd', tellListening)

/** Of the first listener: the broker's second one is for operators. */
function tellListening(message: unknown): void {
  const address = (message as { server: Server }).server.address()
  if (address === null || typeof address !== 'object') return
  process.send?.({ port: address.port })
  unsubscribe('tracing:net.server.listen:asyncEnd', tellListening)
}

process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.({ cpuUs: user + system, rssBytes: process.memoryUsage.rss() })
})

// A bench that is interrupted leaves no server behind.
process.on('disconnect', () => process.exit())
