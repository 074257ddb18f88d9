import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { listen, portOf } from '../../peers/listen.ts'

const roundTripMs = 100
/** What TCP and TLS 1.3 take before the first request of a connection. */
const setUpRoundTrips = 2

/**
 * Puts the server on `port` at a distance, on a port of its own until the test ends. A connection on the
 * loopback is open at once, so its first bytes wait as long as the set-up would take. Bandwidth has no limit.
 */
export async function putAtDistance(port: number): Promise<number> {
  const network = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    const openAt = performance.now() + setUpRoundTrips * roundTripMs
    carry(near, far, openAt)
    carry(far, near)
  })
  await listen(network)
  return portOf(network)
}

/** Passes on what comes half a round trip later, in order. */
function carry(from: Socket, to: Socket, openAt = 0): void {
  let last = Promise.resolve()
  const later = (pass: () => void) => {
    const dueAt = Math.max(openAt, performance.now()) + roundTripMs / 2
    last = last.then(async () => {
      await sleep(dueAt - performance.now())
      if (!to.destroyed) pass()
    })
  }
  from.on('data', (bytes) => later(() => to.write(bytes)))
  from.on('end', () => later(() => to.end()))
  from.on('error', () => to.destroy())
  from.on('close', () => later(() => to.destroy()))
}
