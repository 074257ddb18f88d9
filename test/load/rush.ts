import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, createUsers, quantileMs, type Answer, type Client, type User } from './client.ts'
import { peakMb, startReplica } from './replica.ts'
import type { Row } from './row.ts'
import { startVendor } from './vendor.ts'

const sessions = 5_000
const maxConnections = 128
const maxMb = 300
/** What the vendor's pace makes of 5,000 sessions is 8 s; a client that asks more often than this only adds load. */
const maxAsksPerSession = 6

export const rush: Row = {
  name: '5,000 sessions in one second, a vendor of 200 ms, the retry rule of the bridge',
  goal: `each has its token, at most ${maxConnections} at the vendor, no retry storm, under ${maxMb} MB`,
  async run() {
    const vendor = await startVendor(() => 200)
    const replica = await startReplica({ WIDGET_BASE_URL: vendor.url })
    const client = createClient(replica.origin, sessions)
    const users = await createUsers(sessions)
    const startedAt = performance.now()
    const served = await Promise.all(users.map((user) => askLikeBridge(client, user)))
    const asks = served.reduce((sum, { asked }) => sum + asked, 0) / sessions
    const most = Math.max(vendor.mostOpen, vendor.mostConnections)
    const mb = peakMb(replica.pid())
    const seconds = (performance.now() - startedAt) / 1000
    const { length } = served.filter(({ outcome }) => outcome === 'token')
    return {
      seen:
        `${length.toLocaleString('en')} tokens in ${seconds.toFixed(0)} s (p50 ${(quantileMs(served, 0.5) / 1000).toFixed(1)} s), ` +
        `${vendor.requests.toLocaleString('en')} calls of the vendor, ${most} at once, ` +
        `${asks.toFixed(1)} requests a session, ${mb.toFixed(0)} MB at most`,
      reached:
        length === sessions &&
        vendor.requests === sessions &&
        most <= maxConnections &&
        asks <= maxAsksPerSession &&
        mb < maxMb,
    }
  },
}

/** One page: its first request somewhere in the first second, then as `public/bridge.js` waits (`settle`). */
async function askLikeBridge(client: Client, user: User): Promise<Answer & { asked: number }> {
  await sleep(Math.random() * 1_000)
  const startedAt = performance.now()
  for (let asked = 1; ; asked += 1) {
    const answer = await client.ask(user)
    if (answer.outcome === 'token' || answer.outcome === 'foreign')
      return { ...answer, ms: performance.now() - startedAt, asked }
    const growingMs = Math.min(30_000, 500 * 2 ** (asked - 1)) * (1 + Math.random())
    await sleep(answer.retryAfterMs + growingMs)
  }
}
