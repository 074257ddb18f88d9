import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, createUsers, quantileMs, runPaced, tally, type Answer } from './client.ts'
import { startReplica } from './replica.ts'
import type { Row } from './row.ts'
import { startVendor } from './vendor.ts'

const rounds = 3
const roundMs = 4_000
const perSecond = 200

export const slowClients: Row = {
  name: '300 slow-header and slow-body clients beside normal traffic of 200 requests a second',
  goal: 'its p99 at most doubled, 0 failed',
  async run() {
    const vendor = await startVendor(() => 20)
    const replica = await startReplica({ WIDGET_BASE_URL: vendor.url })
    const client = createClient(replica.origin)
    const newcomers = await createUsers(perSecond * (roundMs / 1000) * 1.5)
    const normal = () => runPaced(perSecond, sleep(roundMs), () => client.ask(newcomers.pop()!))
    const alone: Answer[] = []
    const beside: Answer[] = []
    await normal()
    // In turns, so that a disturbance of the machine affects both.
    for (let round = 0; round < rounds; round += 1) {
      newcomers.push(...(await createUsers(perSecond * (roundMs / 1000) * 2.5)))
      alone.push(...(await normal()))
      const slow = await startSlowClients(replica.port, 300)
      beside.push(...(await normal()))
      slow.close()
    }
    const [before, after] = [quantileMs(alone, 0.99), quantileMs(beside, 0.99)]
    const failed = [...alone, ...beside].filter(({ outcome }) => outcome !== 'token')
    const which = failed.length === 0 ? '' : `, failed: ${tally(failed)}`
    return {
      seen: `p99 ${before.toFixed(1)} ms alone, ${after.toFixed(1)} ms beside them${which}`,
      reached: failed.length === 0 && after <= 2 * before,
    }
  },
}

const head = 'POST /widget-token HTTP/1.1\r\nHost: broker\r\nContent-Type: application/json\r\n'

/** Half of them send slow headers, half a slow body: a byte each quarter of a second. A closed connection is opened again. */
async function startSlowClients(port: number, count: number) {
  const sockets = new Map<number, Socket>()
  let over = false

  function open(index: number): void {
    if (over) return
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.once('close', () => open(index))
    socket.write(index % 2 === 0 ? `${head}X-Slow: ` : `${head}Content-Length: 1000\r\n\r\n`)
    socket.resume()
    sockets.set(index, socket)
  }

  for (let index = 0; index < count; index += 1) open(index)
  const drip = setInterval(() => {
    for (const socket of sockets.values()) if (socket.writable) socket.write(' ')
  }, 250)
  await sleep(500)
  return {
    close() {
      over = true
      clearInterval(drip)
      for (const socket of sockets.values()) socket.destroy()
    },
  }
}
