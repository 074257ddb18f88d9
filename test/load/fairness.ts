import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'
import { onTestFinished } from 'vitest'
import { quantileMs, type Answer } from './client.ts'
import { startReplica } from './replica.ts'
import type { Outcome, Row } from './row.ts'
import { startVendor } from './vendor.ts'

const sessions = 500
const perSecond = 40
const appMs = 50
const maxRatio = 1.2
/** `bare` shows what the flood costs the machine, whatever it carries. */
const states = ['off', 'bare', 'cookies'] as const
type State = (typeof states)[number]
/** So short that both halves see the same machine. */
const blockMs = 2_000

export const fairness: Row = {
  name: `${sessions} new sessions beside 500 requests a second with random cookies of one address, an app of ${appMs} ms`,
  goal: `p50 and p95 at most ${maxRatio} times those without the flood, 0 failed`,
  async run() {
    const vendor = await startVendor()
    const replica = await startReplica({
      WIDGET_BASE_URL: vendor.url,
      SESSION_MODE: 'forward-auth',
      SESSION_JWT_SECRET: '',
      SESSION_FORWARD_URL: await startApp(),
      TRUST_PROXY: '127.0.0.1',
    })
    const flood = startFlood(replica.origin)
    const ask = createAsk(replica.origin)
    for (let nth = 0; nth < 50; nth += 1) await ask()
    const answers = { off: [] as Answer[], bare: [] as Answer[], cookies: [] as Answer[] }
    while (answers.cookies.length < sessions) {
      for (const state of states) {
        flood.turn(state)
        answers[state].push(...(await askForBlock(ask)))
      }
    }
    return judge(answers)
  },
}

const show = (figures: readonly number[], digits: number) =>
  figures.map((one) => one.toFixed(digits)).join(' and ')

function judge(answers: Record<State, Answer[]>): Outcome {
  const all = Object.values(answers).flat()
  const failed = all.filter(({ outcome }) => outcome !== 'http_200').length
  const msOf = (state: State) => [0.5, 0.95].map((share) => quantileMs(answers[state], share))
  const ratios = msOf('cookies').map((ms, index) => ms / msOf('off')[index]!)
  return {
    seen:
      `p50 and p95 ${show(msOf('off'), 1)} ms alone, ${show(msOf('cookies'), 1)} ms beside the flood ` +
      `(${show(ratios, 2)} times), ${show(msOf('bare'), 1)} ms beside as many requests without a credential; ` +
      `${failed} of ${all.length} failed`,
    reached: failed === 0 && ratios.every((ratio) => ratio <= maxRatio),
  }
}

/** The customer's app: knows the visitors whose cookie has a number. */
async function startApp(): Promise<string> {
  const server = createServer((request, response) => {
    const user = /sid=user-(\d+)/.exec(request.headers.cookie ?? '')?.[1]
    const body = JSON.stringify({ sub: user, email: `user-${user}@example.com` })
    setTimeout(() => response.writeHead(user === undefined ? 401 : 200).end(body), appMs)
  })
  await once(server.listen(0, '127.0.0.1', 1024), 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/me`
}

function startFlood(origin: string) {
  const script = join(import.meta.dirname, 'flood.mjs')
  const stdio = ['pipe', 'ignore', 'inherit'] as const
  const child = spawn(process.execPath, [script, `${origin}/widget-token`, '203.0.113.7'], {
    stdio: [...stdio],
  })
  onTestFinished(() => void child.kill())
  return { turn: (state: State) => void child.stdin.write(`${state}\n`) }
}

/** Asks with a new session each time, from one of a hundred addresses. */
function createAsk(origin: string): () => Promise<Answer> {
  const pool = new Pool(origin, { connections: 64 })
  onTestFinished(() => pool.destroy())
  let asked = 0
  return async () => {
    asked += 1
    const headers = {
      origin: 'https://app.example.com',
      cookie: `sid=user-${asked}`,
      'x-forwarded-for': `198.51.100.${asked % 100}`,
    }
    const askedAt = performance.now()
    const answer = await pool.request({ path: '/widget-token', method: 'POST', headers })
    await answer.body.dump()
    return { outcome: `http_${answer.statusCode}`, ms: performance.now() - askedAt, retryAfterMs: 0 }
  }
}

async function askForBlock(ask: () => Promise<Answer>): Promise<Answer[]> {
  const asked: Promise<Answer>[] = []
  const startedAt = performance.now()
  while (performance.now() - startedAt < blockMs) {
    const due = (perSecond * (performance.now() - startedAt)) / 1000
    while (asked.length < due) asked.push(ask())
    await sleep(5)
  }
  return Promise.all(asked)
}
