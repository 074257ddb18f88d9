import type { ReturningAI, TokenDetail } from '../../public/bridge.d.ts'
import type { HeadersFunction, Outcome } from './exchange.ts'
import { ownProperty, read } from './page.ts'
import { emit, warn } from './report.ts'
import type { Source } from './source.ts'
import { isSignedOut, ready, setState, state } from './state.ts'
import { openChannel, tell, type Notice } from './tabs.ts'

/** What hands tokens on: the bridge to iframes, the keeper to the vendor's tags. */
export interface Follower {
  /** Attaches its listeners, and attaches them again after `document.open()` has removed them. */
  listen(): void
  /** Hands on the tokens that can be handed on. Called after a change of tokens or waits. */
  serve(source?: Source): void
  /**
   * Forgets what it knows. With `gone`, the user has changed or left. With a source, only that one is
   * affected.
   */
  forget(gone: boolean, only?: Source): void
}

/** `response` is deleted once it may be the answer for a former user. */
export interface Early {
  url: string
  listener: (event: MessageEvent) => void
  heard: MessageEvent[]
  response: Promise<Response>
}

const MINUTE_MS = 60_000

export const sources = new Map<string, Source>()
/** The user that each broker named. */
const subjects = new Map<string, string>()
const followers: Follower[] = []
let main: Source | undefined
let headers: HeadersFunction | undefined

/** What the fast start has left behind: see fast-start.ts. It inherits nothing from a polluted prototype. */
export const early: Partial<Early> = Object.create(null)

let endedByBroker = false
/** Since the sign-out, another tab has signed in, or a widget has asked after a 401. */
let worthAsking = false
let lookedAt = -Infinity
/** The number of 401s in a row. From the second on, a refresh has to wait. */
let denials = 0
let refreshAt = 0

/** Notes the user that an answer names. If it is another one, all that is held is dropped. */
export function named({ broker }: Source, subject: string): void {
  if (subjects.get(broker) === subject) return
  if (subjects.has(broker)) forget()
  subjects.set(broker, subject)
  tell({ broker, subject })
}

export function answered(source: Source, detail: Omit<TokenDetail, 'tokenUrl'>): void {
  denials = 0
  if (source === main) setState({ status: 'signed-in' })
  serve(source)
  emit('token', { tokenUrl: source.url.href, ...detail })
}

/** The broker answered 401. */
export function refused(source: Source, outcome: Outcome): void {
  // Cookies and headers of another origin say nothing about the page's user.
  if (!isOfMain(source)) return source.fail(outcome)
  denials += 1
  if (denials > 1) refreshAt = Date.now() + Math.min(30_000, 250 * 2 ** denials)
  // Without a body, nothing was sent: a new tab of a bearer app may have no token yet, while other tabs have
  // theirs.
  endSession('session', outcome.body ? [source] : [], outcome)
  warn(outcome.code, source.url.href)
}

export function failed(source: Source, { code, status, requestId }: Outcome, retrying: boolean): void {
  const { url, failures } = source
  if (source === main) setState({ status: 'error', code, retrying })
  // The user who was refused may not be the one whose tokens are held.
  if (status >= 400 && status < 500 && !retrying) forget(source)
  warn(code, url.href)
  if (!retrying || failures === 1) emit('error', { tokenUrl: url.href, code, status, retrying, requestId })
}

export function headersFor(source: Source): HeadersFunction | undefined {
  return isOfMain(source) ? headers : undefined
}

function isOfMain({ url }: Source): boolean {
  return url.origin === main?.url.origin
}

/** A widget asks. After a 401, that is a reason to look again when the page gets the focus. */
export function noteQuestion(): void {
  worthAsking ||= endedByBroker
}

export function serve(source?: Source): void {
  for (const follower of followers) follower.serve(source)
}

/** Adds a source. The first one is the main one, and starts everything. */
export function register(key: string, source: Source): Source {
  sources.set(key, source)
  if (main) return source
  openChannel(hear)
  takeHeaders(ownProperty(window, 'returningAIConfig'))
  listen()
  return (main = source)
}

export function follow(follower: Follower): void {
  followers.push(follower)
  follower.listen()
}

/** Attaches all listeners. Safe to call at any time: a browser adds the same listener only once. */
export function listen(): void {
  // Captured, because an event of the document need not bubble.
  for (const type of ['online', 'visibilitychange', 'focus']) addEventListener(type, wake, true)
  for (const type of ['pageshow', 'prerenderingchange'])
    addEventListener(type, restart as EventListener, true)
  for (const follower of followers) follower.listen()
}

function takeHeaders(options: unknown): void {
  headers = ownProperty(options, 'headers') as HeadersFunction | undefined
}

/** The page is shown after a prerendering, or again from the back-forward cache. */
function restart({ persisted }: { persisted?: boolean }): void {
  if (persisted !== false) begin()
}

function begin(renew = false): void {
  worthAsking = endedByBroker = false
  delete early.response
  setState({ status: 'pending' })
  for (const follower of followers) follower.forget(false)
  for (const source of sources.values()) {
    source.reset()
    if (source.wanted || (renew && source === main)) source.ask(renew)
  }
}

/** Forgets the last user, so that nothing of theirs is handed on. With a source, forgets only its token. */
function forget(only?: Source): void {
  delete early.response
  if (only) only.answer = undefined
  else {
    subjects.clear()
    for (const source of sources.values()) source.reset()
  }
  for (const follower of followers) follower.forget(true, only)
}

function endSession(
  reason: string,
  from: Iterable<Source>,
  { code = '', requestId }: Partial<Outcome> = {},
): void {
  for (const { broker } of from) tell({ broker, subject: null })
  worthAsking = false
  endedByBroker = reason === 'session'
  setState({ status: 'signed-out', code })
  forget()
  emit('signed-out', { reason, code, requestId })
}

/** What another tab says is a reason to ask the broker, no more. */
function hear({ broker, subject }: Notice): void {
  const known = subjects.has(broker)
  if (isSignedOut()) worthAsking ||= typeof subject === 'string'
  else if (subjects.get(broker) === subject) return
  else if (known && subject === null) endSession('other-tab', [])
  else if (known || (subject === null && broker === main?.broker)) begin()
}

/** Looks again after a sign-out at most once a minute: windows get the focus often. */
function wake({ type }: Event): void {
  if (read('hidden')) return
  if (type !== 'online' && worthAsking && Date.now() - lookedAt >= MINUTE_MS) {
    lookedAt = Date.now()
    begin()
  }
  if (type !== 'focus') for (const source of sources.values()) source.wake()
}

/** The page's own interface. */
export const api: ReturningAI = {
  async refresh() {
    // A page that answers each sign-out with a refresh must not ask hundreds of times a second.
    const waitMs = refreshAt - Date.now()
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
    begin(true)
    for (const source of sources.values()) while (source.done) await source.done
    return [...sources.values()].every(({ wanted, answer }) => answer || !wanted)
  },
  signOut: async () => endSession('sign-out', sources.values()),
  configure(options: unknown) {
    takeHeaders(options)
    begin()
  },
  ready,
  get state() {
    return state
  },
}
