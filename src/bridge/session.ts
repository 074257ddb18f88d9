import type { ReturningAI } from '../../public/bridge.d.ts'
import type { HeadersFunction } from './exchange.ts'
import { isPrerendering, ofDocument, onDocument, ownProperty, pause } from './page.ts'
import { emit, hintFor, warn } from './report.ts'
import { Source, type Field, type SourceListener } from './source.ts'
import { ready, setState, state } from './state.ts'
import { openChannel, tell, type Notice } from './tabs.ts'

/** What hands tokens on: the bridge to iframes, the keeper to the vendor's tags. */
export interface Follower {
  /** Attaches its listeners, again after `document.open()` took them away. */
  listen(): void
  /** All that was known before is asked for anew. */
  began(): void
  /** Tokens or waits have changed: hand on what can be handed on. */
  serve(source?: Source): void
  /** The user is another or none; with a source, this one alone was refused. */
  forget(only?: Source): void
}

const MINUTE_MS = 60_000

const sources = new Map<string, Source>()
/** By broker, the user that it named. */
const subjects = new Map<string, string>()
const followers: Follower[] = []
let main: Source | undefined
let headers: HeadersFunction | undefined

let signedOut = false
/** Since the sign-out: another tab has signed in, or a widget has asked after a 401. */
let worthAsking = false
let endedByBroker = false
let lookedAt = -Infinity
/** 401s in a row, and when the last came. */
let denials = 0
let deniedAt = 0
let paced: Promise<void> | undefined

const listener: SourceListener = {
  isSignedOut: () => signedOut,
  headersFor: ({ url }) => (url.origin === main?.url.origin ? headers : undefined),
  named(source, subject) {
    const { broker } = source
    if (subjects.get(broker) === subject) return
    if (subjects.has(broker)) forgetUser()
    subjects.set(broker, subject)
    tell({ broker, subject })
  },
  answered(source, detail) {
    denials = 0
    if (source === main) setState({ status: 'signed-in' })
    for (const follower of followers) follower.serve(source)
    emit('token', { tokenUrl: source.url.href, ...detail })
  },
  refused(source, outcome) {
    // Cookies and headers of another origin say nothing about the page's user.
    if (source.url.origin !== main?.url.origin) return source.stop(outcome)
    denials += 1
    deniedAt = Date.now()
    const { code, unsent, requestId } = outcome
    // A new tab of a bearer app may have no token yet, where the others have theirs.
    endSession('session', unsent ? [] : [source], code, requestId)
    warn(code, source.url.href, hintFor(code, source.url))
  },
  failed(source, { code, status, requestId }, retrying) {
    const tokenUrl = source.url.href
    if (source === main) setState({ status: 'error', code, retrying })
    // The one refused may be another user.
    if (status >= 400 && status < 500 && !retrying) forgetOne(source)
    warn(code, tokenUrl, hintFor(code, source.url))
    if (!retrying || source.failures === 1) emit('error', { tokenUrl, code, status, retrying, requestId })
  },
  rested: () => followers.forEach((follower) => follower.serve()),
}

/** The source of a token URL. The first one is the main one. */
export function sourceOf(url: URL, field: Field): Source {
  const key = `${field} ${url.href}`
  const source = sources.get(key) ?? new Source(url, field, listener)
  sources.set(key, source)
  main ??= source
  return source
}

/** A widget asks. After a 401 that is a reason to look again when the page gets the focus. */
export function noteQuestion(): void {
  worthAsking ||= signedOut && endedByBroker
}

/** A caller with headers of its own keeps its tokens out of storage. */
export const hasHeaders = (): boolean => headers !== undefined

export function follow(follower: Follower): void {
  followers.push(follower)
  follower.listen()
}

/** Attaches all listeners. Safe at any time: a browser takes the same one only once. */
export function listen(): void {
  for (const type of ['online', 'visibilitychange', 'focus']) addEventListener(type, wake)
  addEventListener('pageshow', returnFromCache)
  onDocument('prerenderingchange', activate)
  for (const follower of followers) follower.listen()
}

/** Opens the channel to the other tabs, takes what the page has configured before, and attaches the listeners. */
export function open(): void {
  openChannel(hear)
  const given = ownProperty(ownProperty(window, 'returningAIConfig'), 'headers')
  if (typeof given === 'function') headers = given as HeadersFunction
  listen()
}

function activate(): void {
  begin()
}

function returnFromCache({ persisted }: PageTransitionEvent): void {
  if (persisted) begin()
}

function begin(renew = false): void {
  if (isPrerendering()) return
  signedOut = worthAsking = false
  setState({ status: 'pending' })
  for (const follower of followers) follower.began()
  for (const source of sources.values()) {
    source.reset()
    if (source.wanted || (renew && source === main)) source.ask(renew)
  }
}

/** Nothing of the last user is handed on. */
function forgetUser(): void {
  subjects.clear()
  for (const source of sources.values()) source.reset()
  for (const follower of followers) follower.forget()
}

function forgetOne(source: Source): void {
  source.answer = undefined
  for (const follower of followers) follower.forget(source)
}

function endSession(reason: string, from: Iterable<Source>, code = '', requestId?: string): void {
  for (const { broker } of from) tell({ broker, subject: null })
  signedOut = true
  worthAsking = false
  endedByBroker = reason === 'session'
  setState({ status: 'signed-out', code })
  forgetUser()
  emit('signed-out', { reason, code, requestId })
}

/** Another user elsewhere is a reason to ask, no more. */
function hear({ broker, subject }: Notice): void {
  const known = subjects.has(broker)
  if (signedOut) worthAsking ||= typeof subject === 'string'
  else if (subjects.get(broker) === subject) return
  else if (known && subject === null) endSession('other-tab', [])
  else if (known || (subject === null && broker === main?.broker)) begin()
}

function wake({ type }: Event): void {
  if (ofDocument('hidden')) return
  if (signedOut) lookAgain(type)
  else if (type !== 'focus') for (const source of sources.values()) source.wake()
}

/** At most once a minute: windows get the focus often. */
function lookAgain(type: string): void {
  if (type === 'online' || !worthAsking || Date.now() - lookedAt < MINUTE_MS) return
  lookedAt = Date.now()
  begin()
}

async function refresh(): Promise<boolean> {
  // A page that answers each sign-out by a refresh must not ask hundreds of times a second.
  const waitMs = denials < 2 ? 0 : Math.min(30_000, 250 * 2 ** denials) - (Date.now() - deniedAt)
  if (waitMs > 0) await (paced ??= pause(waitMs).then(beginPaced))
  else begin(true)
  const asked = [...sources.values()].filter(({ wanted }) => wanted)
  for (const source of asked) while (source.request) await source.done
  return asked.length > 0 && asked.every(({ answer }) => answer)
}

function beginPaced(): void {
  paced = undefined
  begin(true)
}

function configure(options: unknown): void {
  const given = ownProperty(options, 'headers')
  if (typeof given !== 'function') return warn('configure', location.origin, 'headers must be a function')
  headers = given as HeadersFunction
  begin()
}

/** The page's own interface. */
export const api: ReturningAI = {
  refresh,
  signOut: async () => endSession('sign-out', sources.values()),
  configure,
  ready,
  get state() {
    return state
  },
}
