import { exchange, isPassing, type HeadersFunction, type Outcome } from './exchange.ts'
import { isPrerendering } from './page.ts'
import { inTurn } from './tabs.ts'

/** A token as the broker gave it. Frames compare the object: two tokens of one second can be equal. */
export interface Answer {
  token: string
  /** When the broker last confirmed it, in milliseconds. */
  at: number
  /** How long it lives from then on. */
  lifeMs: number
}

export type Field = 'token' | 'embedToken'

/** What a source tells about its requests. */
export interface SourceListener {
  isSignedOut(): boolean
  headersFor(source: Source): HeadersFunction | undefined
  /** Comes before `answered`; may reset the source. */
  named(source: Source, subject: string): void
  answered(source: Source, detail: { subject: string; expiresIn?: number; renewed: boolean }): void
  /** The broker answered 401. */
  refused(source: Source, outcome: Outcome): void
  failed(source: Source, outcome: Outcome, retrying: boolean): void
  /** A source may ask for a new token again. */
  rested(): void
}

const MINUTE_MS = 60_000
/** After an error that lasts: an operator may have fixed it meanwhile. */
const SLOW_RETRIES_MS = [MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS]
const PACE_MS = 10_000
const REST_MS = 30_000

/** One token URL: the last answer, and the request or the wait that is under way. */
export class Source {
  readonly url: URL
  readonly field: Field
  /** The token URL without its query: the user is named by it. */
  readonly broker: string
  readonly listener: SourceListener
  answer: Answer | undefined
  request: AbortController | undefined
  done: Promise<void> | undefined
  early: Promise<Response> | undefined
  /** Somebody has asked for a token: a new user needs one too. */
  wanted = false
  failures = 0
  paused = false
  private stops = 0
  private stopped: { at: number; code: string } | undefined
  private timer = 0
  private wakeAt = 0
  private retry: (() => void) | undefined

  constructor(url: URL, field: Field, listener: SourceListener) {
    this.url = url
    this.field = field
    this.broker = url.origin + url.pathname
    this.listener = listener
  }

  /** The answer, as long as it may be handed out without asking the broker whether the user is still the same. */
  get fresh(): Answer | undefined {
    const { answer } = this
    if (!answer) return undefined
    const holdMs = Math.min(Math.max(answer.lifeMs, 1_000), MINUTE_MS)
    return Math.abs(Date.now() - answer.at) < holdMs ? answer : undefined
  }

  /** Asks unless a request is under way, or a wait that is not over. */
  want(): void {
    if (!this.isBusy()) this.ask()
  }

  /** Asks for a newly minted token, at most once in ten seconds. */
  renew(): void {
    if (this.paused || this.isBusy()) return
    this.paused = true
    setTimeout(() => {
      this.paused = false
      this.listener.rested()
    }, PACE_MS)
    this.ask(true)
  }

  private isBusy(): boolean {
    if (this.listener.isSignedOut()) return true
    if (this.stopped) return Date.now() - this.stopped.at < REST_MS
    return this.request !== undefined || this.timer !== 0
  }

  ask(renew = false): void {
    this.cancel()
    this.wanted = true
    if (isPrerendering()) return
    const request = (this.request = new AbortController())
    const { url, early } = this
    const question = { url: url.href, renew, headers: this.listener.headersFor(this), early }
    this.early = undefined
    this.done = inTurn(() => exchange(question, request)).then((outcome) => {
      // A late answer, maybe of another user.
      if (this.request !== request) return
      this.request = undefined
      this.settle(outcome, renew)
    })
  }

  /** Forgets what it was given, and the request under way. */
  reset(): void {
    this.cancel()
    this.answer = undefined
    this.failures = this.stops = 0
  }

  /** The browser is online or visible again. Never before the broker's Retry-After. */
  wake(): void {
    // A service worker answers with the app's own page while it is offline.
    if (this.stopped?.code === 'no_token') this.ask()
    else if (!this.stopped && this.timer && Date.now() >= this.wakeAt) this.retry?.()
  }

  private cancel(): void {
    clearTimeout(this.timer)
    this.request?.abort()
    this.timer = 0
    this.request = this.stopped = undefined
  }

  private settle(outcome: Outcome, renew: boolean): void {
    const { status, body } = outcome
    const token = body[this.field]
    if (status >= 200 && status < 300 && token && typeof token === 'string') this.accept(token, body, renew)
    else if (status === 401) this.listener.refused(this, outcome)
    else if (isPassing(outcome)) this.tryAgain(outcome, renew)
    else this.stop(outcome)
  }

  private accept(
    token: string,
    { subject = '', expiresIn }: Record<string, unknown>,
    renewed: boolean,
  ): void {
    const detail = { subject: String(subject), expiresIn: expiresIn as number, renewed }
    this.listener.named(this, detail.subject)
    // No timer of a browser counts further than 24 days.
    const lifeMs = Math.min((detail.expiresIn ?? 240) * 1000 || 0, 1e9)
    // The same token is news only when a new one was asked for.
    if (renewed || token !== this.answer?.token) this.answer = { token, at: 0, lifeMs }
    Object.assign(this.answer, { at: Date.now(), lifeMs })
    this.failures = this.stops = 0
    this.listener.answered(this, detail)
  }

  private tryAgain(outcome: Outcome, renew: boolean): void {
    const growingMs = Math.min(30_000, 500 * 2 ** this.failures++) * (1 + Math.random())
    this.wakeAt = Date.now() + outcome.retryAfterMs
    this.retry = () => this.ask(renew)
    this.timer = window.setTimeout(this.retry, outcome.retryAfterMs + growingMs)
    this.listener.failed(this, outcome, true)
  }

  /** Waits for a widget that asks half a minute later; after a 5xx, asks slowly by itself too. */
  stop(outcome: Outcome): void {
    const { code, status } = outcome
    this.stopped = { at: Date.now(), code }
    if (status >= 500) {
      const waitMs = SLOW_RETRIES_MS[Math.min(this.stops++, 2)]
      this.timer = window.setTimeout(() => this.ask(), waitMs)
    }
    this.listener.failed(this, outcome, false)
  }
}
