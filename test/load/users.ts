import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, createUsers, type Client, type User } from './client.ts'
import { startReplica } from './replica.ts'
import type { Row } from './row.ts'
import { startVendor } from './vendor.ts'

const requests = 1_000

export const manyUsers: Row = {
  name: '1,000 interleaved requests of 50 users, a third of them aborted at random',
  goal: 'no answer to the wrong user',
  async run() {
    const vendor = await startVendor(() => Math.random() * 40)
    const replica = await startReplica({ WIDGET_BASE_URL: vendor.url, RATE_LIMIT_PER_MINUTE: '1000' })
    const client = createClient(replica.origin, 20)
    const users = await createUsers(50)
    const asked = Array.from({ length: requests }, (_, index) => askOrLeave(client, users[index % 50]!))
    const outcomes = (await Promise.all(asked)).map(({ outcome }) => outcome)
    const count = (wanted: string) => outcomes.filter((outcome) => outcome === wanted).length
    const own = count('token')
    const aborted = count('aborted')
    return {
      seen: `${own} own tokens, ${aborted} aborted, ${count('foreign')} of somebody else`,
      reached: own + aborted === requests && own > requests / 2 && aborted > requests / 10,
    }
  },
}

/** At a random moment, in half of the cases for a new token; every third caller leaves at a random moment. */
async function askOrLeave(client: Client, user: User) {
  const controller = new AbortController()
  await sleep(Math.random() * 2_000)
  const timer = Math.random() < 1 / 3 ? setTimeout(() => controller.abort(), Math.random() * 20) : undefined
  const answer = await client.ask(user, { fresh: Math.random() < 0.5, signal: controller.signal })
  clearTimeout(timer)
  return answer
}
