import { onTestFinished } from 'vitest'
import { createRedisServer, redisMissing } from '../peers/redis.ts'
import { createClient, signIn, tally } from './client.ts'
import { startReplica, type Replica } from './replica.ts'
import type { Row } from './row.ts'
import { startVendor } from './vendor.ts'

/** The default of RATE_LIMIT_PER_MINUTE. */
export const perMinute = 30

export const sharedLimit: Row = {
  name: '2 replicas with one Redis, 100 tokens at once for one user',
  goal: 'the limit of 30 holds across both',
  missing: redisMissing,
  async run() {
    const redis = await createRedisServer()
    onTestFinished(() => redis.close())
    await redis.start()
    const vendor = await startVendor()
    const environment = { WIDGET_BASE_URL: vendor.url, REDIS_URL: redis.url }
    const replicas = await Promise.all([startReplica(environment), startReplica(environment)])
    const admitted = await countAdmitted(replicas)
    return {
      seen: `${admitted} tokens, ${vendor.requests} calls of the vendor`,
      reached: admitted === perMinute && vendor.requests === perMinute,
    }
  },
}

let users = 0

/** How many tokens a new user gets for a hundred requests at once, each in its own session, over all replicas. */
export async function countAdmitted(replicas: readonly Replica[]): Promise<number> {
  users += 1
  const name = `eager-${users}`
  const signedIn = await Promise.all(Array.from({ length: 100 }, () => signIn(name)))
  const clients = replicas.map(({ origin }) => createClient(origin))
  const answers = await Promise.all(signedIn.map((user, index) => clients[index % clients.length]!.ask(user)))
  const others = answers.filter(({ outcome }) => !['token', 'rate_limited'].includes(outcome))
  if (others.length > 0) throw new Error(tally(others))
  return answers.length - answers.filter(({ outcome }) => outcome === 'rate_limited').length
}
