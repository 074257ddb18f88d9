import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'
import { onTestFinished } from 'vitest'
import { signSession } from '../peers/broker.ts'
import { holderOf } from './vendor.ts'

/** A signed-in browser. */
export interface User {
  email: string
  session: string
}

export interface Answer {
  /** `token` for a token of one's own, `foreign` for another's, else the problem's code, the status or the error. */
  outcome: string
  ms: number
  retryAfterMs: number
}

interface AskOptions {
  /** Wants a newly minted token. */
  fresh?: boolean
  signal?: AbortSignal
}

export type Client = ReturnType<typeof createClient>

let sessions = 0

/** A new session of this user: two sessions of one user share no token. */
export async function signIn(name: string): Promise<User> {
  sessions += 1
  const email = `${name}@example.com`
  return { email, session: await signSession({ sub: name, email, jti: String(sessions) }) }
}

/** New users, each with one session. */
export function createUsers(count: number): Promise<User[]> {
  const first = sessions
  return Promise.all(Array.from({ length: count }, (_, index) => signIn(`user-${first + index}`)))
}

/** Asks like a script of the allowed page, on so many connections. */
export function createClient(origin: string, connections = 256) {
  const pool = new Pool(origin, { connections })
  onTestFinished(() => pool.destroy())

  async function ask({ email, session }: User, { fresh = false, signal }: AskOptions = {}): Promise<Answer> {
    const page = { origin: 'https://app.example.com', authorization: `Bearer ${session}` }
    const headers = fresh ? { ...page, 'cache-control': 'no-cache' } : page
    const askedAt = performance.now()
    const after = (outcome: string, retryAfterSeconds = 0): Answer => {
      return { outcome, ms: performance.now() - askedAt, retryAfterMs: retryAfterSeconds * 1000 }
    }
    try {
      const answer = await pool.request({ path: '/widget-token', method: 'POST', headers, signal })
      const text = await answer.body.text()
      return after(judge(answer.statusCode, text, email), Number(answer.headers['retry-after'] ?? 0))
    } catch (error) {
      const { code, name } = error as NodeJS.ErrnoException
      return after(signal?.aborted ? 'aborted' : (code ?? name))
    }
  }

  return { ask, close: () => pool.destroy() }
}

function judge(status: number, text: string, email: string): string {
  if (!text.startsWith('{')) return `http_${status}`
  const { token, code } = JSON.parse(text)
  if (status !== 200) return code
  return holderOf(token) === email ? 'token' : 'foreign'
}

/** Asks at a steady rate until `during` has ended, whatever the answers do. */
export async function runPaced(
  perSecond: number,
  during: Promise<unknown>,
  ask: (index: number) => Promise<Answer>,
): Promise<Answer[]> {
  const asked: Promise<Answer>[] = []
  const startedAt = performance.now()
  const state = { over: false }
  const end = during.finally(() => {
    state.over = true
  })
  while (!state.over) {
    const due = (perSecond * (performance.now() - startedAt)) / 1000
    while (asked.length < due) asked.push(ask(asked.length))
    await sleep(2)
  }
  await end
  return Promise.all(asked)
}

/** How often each outcome came: `3,000 token, 2 overloaded`. */
export function tally(answers: readonly Answer[]): string {
  const counts = new Map<string, number>()
  for (const { outcome } of answers) counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  return [...counts].map(([outcome, count]) => `${count.toLocaleString('en')} ${outcome}`).join(', ')
}

/** The time below which this share (0…1) of the answers came, in milliseconds. */
export function quantileMs(answers: readonly Answer[], share: number): number {
  const sorted = answers.map(({ ms }) => ms).sort((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
