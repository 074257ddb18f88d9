import { exchange, type HeadersFunction, type Outcome } from './exchange.ts'
import { read, toMs } from './page.ts'
import {
  answered,
  failed,
  headersFor,
  named,
  noteQuestion,
  refused,
  register,
  serve,
  sources,
} from './session.ts'
import { isSignedOut } from './state.ts'
import { inTurn } from './tabs.ts'

/** A token as the broker gave it. Frames compare the object: two tokens of one second can be equal. */
export interface Answer {
  token: string
  /** When the broker last confirmed it, in milliseconds. */
  at: number
  /** How long it is valid from then on. */
  lifeMs: number
}

export type Field = 'token' | 'embedToken'

const MINUTE_MS = 60_000
const TIMEOUT_MS = 15_000
const PACE_MS = 10_000
const REST_MS = 30_000

/** One token URL: the last answer, and the request or the wait in progress. */
export class Source {
  readonly url: URL
  readonly field: Field
  /** The token URL without its query: tokens of one broker belong to one user. */
  readonly broker: string
  answer: Answer | undefined
  /** The request in progress. */
  done: Promise<void> | undefined
  /** The request that the fast start has sent already. */
  early: Promise<Response> | undefined
  /** A token was wanted before, so the next user needs one as well. */
  wanted = false
  failures = 0
  #renewing = false
  /** A new token was requested within the last ten seconds. */
  #paused = false
  #request: AbortController | undefined
  #timer = 0
  /** The time from which a widget that asks leads to a request. */
  #opensAt = -Infinity
  /** The time from which a page that wakes up does. */
  #wakesAt = Infinity

  constructor(url: URL, field: Field) {
    this.url = url
    this.field = field
    this.broker = url.origin + url.pathname
  }

  /**
   * The answer, as long as it may be handed out without asking the broker whether the user is still the same.
   */
  get fresh(): Answer | undefined {
    const { answer } = this
    const holdMs = answer ? Math.min(Math.max(answer.lifeMs, 1_000), MINUTE_MS) : 0
    return answer && Math.abs(Date.now() - answer.at) < holdMs ? answer : undefined
  }

  // The next two go through the source: it may belong to the core of the other script,
  // with a session of its own.
  get headers(): HeadersFunction | undefined {
    return headersFor(this)
  }

  /** A widget asks. */
  asked(): void {
    noteQuestion()
  }

  /** Asks unless a request is in progress, or a wait that is not over. */
  want(): void {
    if (this.#isOpen()) this.ask()
  }

  /** Asks for a newly minted token, at most once in ten seconds. */
  renew(): void {
    if (this.#paused || !this.#isOpen()) return
    this.#paused = true
    setTimeout(() => {
      this.#paused = false
      serve()
    }, PACE_MS)
    this.ask(true)
  }

  #isOpen(): boolean {
    return Date.now() >= this.#opensAt && !isSignedOut()
  }

  ask(renew = false): void {
    this.#cancel()
    this.wanted = true
    if (read('prerendering')) return
    this.#opensAt = Infinity
    this.#renewing = renew
    const request = (this.#request = new AbortController())
    this.#timer = window.setTimeout(() => request.abort(), TIMEOUT_MS)
    this.done = inTurn(() => exchange(this, renew, request.signal)).then((outcome) => {
      // Otherwise it is a late answer, maybe of another user.
      if (this.#request === request) this.#settle(outcome)
    })
  }

  /** Forgets what it was given, and the request in progress. */
  reset(): void {
    this.#cancel()
    this.answer = undefined
    this.failures = 0
  }

  /** The browser is online or visible again. */
  wake(): void {
    if (Date.now() >= this.#wakesAt) this.ask(this.#renewing)
  }

  #cancel(): void {
    clearTimeout(this.#timer)
    this.#request?.abort()
    this.#request = this.done = undefined
    this.#opensAt = -Infinity
    this.#wakesAt = Infinity
  }

  #settle(outcome: Outcome): void {
    clearTimeout(this.#timer)
    this.done = undefined
    const { status, body = {} } = outcome
    const token = body[this.field]
    if (status < 300 && token && typeof token === 'string') this.#accept(token, body)
    else if (status === 401) refused(this, outcome)
    else this.fail(outcome)
  }

  #accept(token: string, { subject = '', expiresIn }: Record<string, unknown>): void {
    const renewed = this.#renewing
    const detail = { subject: String(subject), expiresIn: expiresIn as number, renewed }
    named(this, detail.subject)
    // The same token counts as new only if a new one was requested.
    const known = renewed || token !== this.answer?.token ? {} : this.answer
    this.answer = Object.assign(known, { token, at: Date.now(), lifeMs: toMs(detail.expiresIn ?? 240) })
    this.#opensAt = -Infinity
    this.failures = 0
    answered(this, detail)
  }

  /**
   * Retries soon after a passing fault, and slowly after a lasting 5xx. Otherwise waits until a widget asks.
   */
  fail(outcome: Outcome): void {
    const { status, code, retryAfterMs = 0 } = outcome
    const now = Date.now()
    const times = this.failures++
    // A 5xx without a problem code comes from a proxy.
    const passing = status < 0 || status === 429 || status === 503 || code.startsWith('http_5')
    const growingMs = Math.min(30_000, 500 * 2 ** times) * (1 + Math.random())
    const waitMs = passing ? retryAfterMs + growingMs : ([1, 5][times] ?? 15) * MINUTE_MS
    if (passing) this.#wakesAt = now + retryAfterMs
    else this.#opensAt = now + REST_MS
    // A service worker answers with the app's own page while it is offline.
    if (code === 'no_token') this.#wakesAt = 0
    if (passing || status >= 500) this.#timer = window.setTimeout(() => this.ask(this.#renewing), waitMs)
    failed(this, outcome, passing)
  }
}

/** The source of a token URL. */
export function sourceOf(url: URL, field: Field): Source {
  const key = field + url.href
  return sources.get(key) ?? register(key, new Source(url, field))
}
