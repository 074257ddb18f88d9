import { read } from './page.ts'
import { emit, warn } from './report.ts'
import type { Answer, Source } from './source.ts'

/** How long a question after an answer may still turn out to come from a new document. */
const GRACE_MS = 250
const PEACE_MS = 10_000
const REST_MS = 30_000

/** The window of a widget, which outlives its documents, and what they have asked and received. */
export class Frame {
  readonly element: HTMLIFrameElement | undefined
  source: Source | undefined
  readonly #window: Window
  #origin = ''
  /** Its document waits for a token. */
  #waiting = false
  /** Its document has asked and been answered: if it asks once more, the token was refused or has expired. */
  #answered = false
  /** The timer of a question that may still turn out to come from a new document. */
  #doubt = 0
  /**
   * The number of `load` events minus that of documents that have asked, which they do before or after their
   * `load`.
   */
  #loads = 0
  /** How many unrequested tokens it may still get, because it may have asked before the bridge was there. */
  #gifts = 0
  /** The last token that it got, and when. */
  #last: Answer | undefined
  #handedAt = -Infinity
  /** Until then, a third document that asks for the same token counts as a refusal. */
  #pacedUntil = 0
  /** How many tokens in a row it has refused. */
  #refusals = 0

  constructor(window: Window, element: HTMLIFrameElement | undefined) {
    this.#window = window
    this.element = element
  }

  /** The widget asks. After an answer, this means that the token was refused or has expired. */
  ask(source: Source, origin: string): void {
    source.asked()
    if (this.#isGivenUp() && Date.now() - this.#handedAt < REST_MS) return
    this.source = source
    this.#origin = origin
    const first = this.#gifts || !this.#waiting
    if (first && this.#answered) this.#refuse(GRACE_MS)
    else if (first) this.#loads -= 1
    this.#waiting = true
    this.#gifts = 0
    this.serve()
  }

  #refuse(graceMs: number): void {
    this.#refusals = Date.now() - this.#handedAt < PEACE_MS ? this.#refusals + 1 : 1
    this.#doubt = window.setTimeout(() => {
      this.#doubt = 0
      this.serve()
    }, graceMs)
  }

  /**
   * The `load` of a document that has not asked yet, or that has just asked in place of the one that was
   * answered.
   */
  loaded(): void {
    const doubted = this.#doubt && this.#waiting
    if (doubted) this.#refusals -= 1
    this.#loads = doubted ? 0 : Math.min(this.#loads + 1, 1)
    if (doubted || this.#loads) this.#answered = false
    if (this.#gifts) this.#waiting = true
    this.serve()
  }

  /** Hands it a token without a request, at once and at its next `load`: it was there before the bridge. */
  offer(source: Source, origin: string): void {
    if (this.source) return
    this.source = source
    this.#origin = origin
    if (read('readyState') === 'complete') this.#loads = 1
    this.#gifts = 2
    this.#waiting = true
    this.serve()
  }

  /** Answers if it can, else asks for a token. Safe to call at any time. */
  serve(): void {
    const { source } = this
    if (!source || !this.#waiting || this.#answer(source)) return
    if (!this.#answered) return source.wanted || !this.#gifts ? source.want() : undefined
    if (this.#doubt) return
    if (this.#isGivenUp()) this.#giveUp(source.url)
    else source.renew()
  }

  #answer({ fresh }: Source): boolean {
    const again = this.#last === fresh
    if (!fresh || (again && this.#answered)) return false
    if (this.#gifts) return this.#present(fresh)
    const now = Date.now()
    this.#answered = true
    // A widget that reloads when its token is refused must not loop.
    if (again && now < this.#pacedUntil) {
      this.#refuse(0)
      return false
    }
    this.#pacedUntil = again ? this.#handedAt + REST_MS : 0
    this.#handedAt = now
    return this.#hand(fresh)
  }

  /** An unrequested token is not an answer: the renewal rule begins with the frame's own question. */
  #present(fresh: Answer): boolean {
    // Still the initial empty document: a `load` follows.
    if (this.element?.contentDocument?.URL === 'about:blank') return true
    this.#gifts -= 1
    return this.#hand(fresh)
  }

  #hand(answer: Answer): boolean {
    this.#waiting = false
    this.#last = answer
    this.#window.postMessage({ type: 'RETURNINGAI_WIDGET_TOKEN', value: answer.token }, this.#origin)
    return true
  }

  #isGivenUp(): boolean {
    return this.#refusals > 3
  }

  /** Stops renewing for this frame. Others are served as before. */
  #giveUp({ href }: URL): void {
    this.#waiting = false
    warn('token_refused', href)
    emit('error', { tokenUrl: href, code: 'token_refused', status: 200, retrying: false })
  }

  /** Lets it ask again. If the user is gone, empties and reloads the widget, without a history entry. */
  forget(gone: boolean): void {
    this.#refusals = 0
    if (!gone || !this.#last) return
    const { element } = this
    const place = new Text()
    this.#last = this.source = undefined
    element?.replaceWith(place)
    if (element) place.replaceWith(element)
    else this.#window.location?.replace('about:blank')
  }
}
