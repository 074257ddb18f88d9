import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, createUsers, quantileMs, type Answer, type Client, type User } from './client.ts'
import { startReplica, type Replica } from './replica.ts'
import type { Row } from './row.ts'
import { startVendor, type Vendor } from './vendor.ts'

const clients = 1_000
/** The broker's own deadline of a call. */
const timeoutMs = 5_000
/** A probe every ten seconds, of which each hangs for five: at the end of the third, the vendor has hung for 35 s. */
const failedProbes = 3
const maxConnections = 128
/** The broker's own: how long an open circuit leaves the vendor alone. */
const halfOpenMs = 5_000
const quickMs = 50

export const hangingVendor: Row = {
  name: 'the vendor hangs for 35 s at 1,000 parallel requests',
  goal: `at most ${maxConnections} at the vendor; once open, answers within ${quickMs} ms; a token within 5 s of the recovery`,
  async run() {
    const vendor = await startVendor(() => 5)
    const replica = await startReplica({ WIDGET_BASE_URL: vendor.url })
    const client = createClient(replica.origin, clients)
    const users = await createUsers(clients)
    const { refused, recoveredMs } = await hang(vendor, client, users)
    const serverMs = slowestRefusalMs(replica)
    const most = Math.max(vendor.mostOpen, vendor.mostConnections)
    const p50 = quantileMs(refused, 0.5)
    return {
      seen:
        `${most} at the vendor; ${refused.length.toLocaleString('en')} refused by the open circuit, each within ` +
        `${serverMs.toFixed(0)} ms at the broker, p50 ${p50.toFixed(0)} ms and p99 ${quantileMs(refused, 0.99).toFixed(0)} ms ` +
        `at the client; first token ${(recoveredMs / 1000).toFixed(1)} s after the recovery`,
      reached: most <= maxConnections && serverMs <= quickMs && p50 <= quickMs && recoveredMs <= halfOpenMs,
    }
  },
}

/** All ask at once and, while the vendor hangs, about once a second each; resolves when everybody has a token. */
async function hang(vendor: Vendor, client: Client, users: readonly User[]) {
  const answers: (Answer & { at: number })[] = []
  const keepAsking = async (user: User) => {
    for (;;) {
      const answer = await client.ask(user)
      answers.push({ ...answer, at: performance.now() })
      if (answer.outcome === 'token') return
      await sleep(500 + Math.random() * 1_000)
    }
  }
  vendor.hangs = true
  const everybody = Promise.all(users.map(keepAsking))
  await probesHaveFailed(vendor)
  vendor.hangs = false
  const recoveredAt = performance.now()
  await everybody
  const first = Math.min(...answers.filter(({ outcome }) => outcome === 'token').map(({ at }) => at))
  const openedAt = answers.find(({ outcome }) => outcome === 'vendor_unavailable')?.at ?? Infinity
  const refused = answers.filter(
    ({ outcome, at, ms }) => outcome === 'vendor_unavailable' && at - ms > openedAt,
  )
  return { refused, recoveredMs: first - recoveredAt }
}

/** The worst moment to recover: the circuit has just opened again, since its last probe hung too. */
async function probesHaveFailed(vendor: Vendor): Promise<void> {
  await sleep(timeoutMs + 1_000)
  for (let probe = 0; probe < failedProbes; probe += 1) {
    const before = vendor.requests
    while (vendor.requests === before) await sleep(10)
    await sleep(timeoutMs + 250)
  }
}

/** Of those who asked once the circuit was open; who waited in line when it opened had waited before. */
function slowestRefusalMs(replica: Replica): number {
  const lines = replica.logLines()
  const opened = lines.find(({ event, state }) => event === 'vendor_circuit' && state === 'open')
  const openedAt = Date.parse(String(opened?.time))
  const refusals = lines
    .filter(({ outcome }) => outcome === 'circuit_open')
    .map(({ time, durationMs }) => ({ ms: Number(durationMs), at: Date.parse(String(time)) }))
    .filter(({ ms, at }) => at - ms > openedAt)
  return Math.max(...refusals.map(({ ms }) => ms))
}
