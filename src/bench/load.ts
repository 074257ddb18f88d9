import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'

/** What a client saw of a run. */
export interface Seen {
  requests: number
  seconds: number
  /** Of each request, sorted. */
  latenciesMs: number[]
}

/** Makes the bearer token of each next request. */
export type NextSession = () => string

const allowedOrigin = 'https://app.example.com'

// What Chromium sends with a script's POST from a page on another site.
const browserHeaders = {
  origin: allowedOrigin,
  referer: `${allowedOrigin}/`,
  accept: '*/*',
  'accept-language': 'en-US,en;q=0.9',
  'accept-encoding': 'gzip, deflate, br, zstd',
  'sec-fetch-site': 'cross-site',
  'sec-fetch-mode': 'cors',
  'sec-fetch-dest': 'empty',
  'user-agent':
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
}

/**
 * Sends the next request as soon as there is an answer, on a number of connections, for a time or a number of
 * requests.
 */
export async function runClosed(
  origin: string,
  next: NextSession,
  { connections = 32, seconds = Infinity, requests = Infinity },
): Promise<Seen> {
  const client = createClient(origin, connections, next)
  const startedAt = performance.now()
  let left = requests
  const ask = async () => {
    while (left > 0 && performance.now() - startedAt < seconds * 1000) {
      left -= 1
      await client.ask()
    }
  }
  await Promise.all(Array.from({ length: connections }, ask))
  return client.end()
}

/** Sends requests at a steady rate, independent of the answers. The time that a late request waits counts. */
export async function runPaced(
  origin: string,
  next: NextSession,
  { perSecond = 300, seconds = 5 },
): Promise<Seen> {
  const client = createClient(origin, perSecond, next)
  const startedAt = performance.now()
  const asked: Promise<void>[] = []
  for (let index = 0; index < perSecond * seconds; index += 1) {
    const waitMs = startedAt + (index * 1000) / perSecond - performance.now()
    if (waitMs > 1) await sleep(waitMs)
    asked.push(client.ask())
  }
  await Promise.all(asked)
  return client.end()
}

function createClient(origin: string, connections: number, next: NextSession) {
  const pool = new Pool(origin, { connections })
  const latenciesMs: number[] = []
  const startedAt = performance.now()
  return {
    async ask() {
      const headers = { ...browserHeaders, authorization: `Bearer ${next()}` }
      const askedAt = performance.now()
      const { statusCode, body } = await pool.request({ path: '/widget-token', method: 'POST', headers })
      await body.dump()
      latenciesMs.push(performance.now() - askedAt)
      if (statusCode !== 200) throw new Error(`${origin} answered ${statusCode}`)
    },
    async end(): Promise<Seen> {
      const seconds = (performance.now() - startedAt) / 1000
      await pool.destroy()
      latenciesMs.sort((one, other) => one - other)
      return { requests: latenciesMs.length, seconds, latenciesMs }
    },
  }
}

/** The value below which this share (0…1) of a sorted list lies. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  return quantile(
    [...values].sort((one, other) => one - other),
    0.5,
  )
}
