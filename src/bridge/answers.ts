import { frameOf, frames, type Frame } from './frames.ts'
import { pause } from './page.ts'
import { emit, hintFor, warn } from './report.ts'
import type { Source } from './source.ts'

/** How long a question after an answer may still turn out to be that of a new document. */
const GRACE_MS = 250
const PEACE_MS = 10_000
const REST_MS = 30_000

/** A widget asks. After an answer this means that the token was refused or has expired. */
export function ask(frame: Frame, source: Source): void {
  if (frame.gaveUpAt !== undefined && Date.now() - frame.gaveUpAt < REST_MS) return
  frame.gaveUpAt = frame.gift = undefined
  frame.early ??= !frame.loaded
  frame.askedSinceLoad = true
  frame.source = source
  if (frame.answer && !frame.refused) refuse(frame, source.paused)
  frame.waiting = true
  serve(source)
}

/** Renewals are paced anyway; outside of a pause, a `load` may still follow. */
function refuse(frame: Frame, ripe: boolean): void {
  const peace = Date.now() - (frame.handedAt.at(-1) ?? 0) >= PEACE_MS
  frame.refusals = peace ? 1 : frame.refusals + 1
  frame.refused = true
  frame.ripe = ripe
  if (ripe) return
  void pause(GRACE_MS).then(() => {
    frame.ripe = frame.refused
    if (frame.source) serve(frame.source)
  })
}

/** A frame has loaded. Unless it is the load of the document that has asked already, the next question is a first one. */
export function loaded(frame: Frame): void {
  const own = frame.early && frame.askedSinceLoad && !frame.refused
  frame.loaded = true
  frame.askedSinceLoad = false
  if (frame.gift === 'given' && frame.early === undefined) frame.gift = 'due'
  if (!own) {
    if (frame.refused) frame.refusals -= 1
    frame.refused = frame.ripe = false
    frame.answer = undefined
  }
  if (frame.source) serve(frame.source)
}

/** Answers the frames that can be answered, and asks for the others. Safe at any time. */
export function serve(source: Source): void {
  let first = false
  let again = false
  for (const frame of frames.values()) {
    if (frame.source !== source) continue
    if (frame.gift === 'due') first = !present(frame, source) && source.wanted
    if (!frame.waiting || answer(frame, source)) continue
    if (!frame.answer && !frame.refused) first = true
    else if (frame.ripe) again = !giveUp(frame, source) || again
  }
  if (again) source.renew()
  else if (first) source.want()
}

function answer(frame: Frame, { fresh }: Source): boolean {
  if (!fresh || frame.answer === fresh) return false
  if (isThirdDocument(frame, fresh)) return false
  frame.waiting = frame.refused = frame.ripe = false
  frame.answer = fresh
  hand(frame, fresh.token)
  frame.handedAt = frame.last === fresh ? [...frame.handedAt, Date.now()] : [Date.now()]
  frame.last = fresh
  return true
}

/** A widget that reloads when its token is refused must not loop. */
function isThirdDocument(frame: Frame, fresh: object): boolean {
  if (frame.last !== fresh || frame.answer) return false
  const lately = frame.handedAt.filter((at) => Date.now() - at < REST_MS)
  if (lately.length < 2) return false
  if (!frame.refused) refuse(frame, true)
  return true
}

/** An unasked token is no answer: the renewal rule begins with the frame's own question. */
function present(frame: Frame, { fresh }: Source): boolean {
  // Still the empty first document: it has its `load` to come.
  if (!frame.loaded && frame.element?.contentDocument) return true
  if (!fresh) return false
  frame.gift = 'given'
  frame.last ??= fresh
  hand(frame, fresh.token)
  return true
}

function hand({ window, origin }: Frame, value: string): void {
  window.postMessage({ type: 'RETURNINGAI_WIDGET_TOKEN', value }, origin)
}

/** Three tokens in a row were refused. Other frames are served as before. */
function giveUp(frame: Frame, { url }: Source): boolean {
  if (frame.refusals <= 3) return false
  frame.gaveUpAt = Date.now()
  frame.waiting = frame.refused = frame.ripe = false
  frame.refusals = 0
  warn('token_refused', url.href, hintFor('token_refused', url))
  emit('error', { tokenUrl: url.href, code: 'token_refused', status: 200, retrying: false })
  return true
}

/** Hands a token to an iframe that was there before the bridge. */
export function offer(element: HTMLIFrameElement, source: Source): void {
  if (!element.contentWindow) return
  const frame = frameOf(element.contentWindow, element)
  if (frame.early !== undefined || frame.gift) return
  frame.loaded = document.readyState === 'complete'
  frame.source = source
  frame.origin = new URL(element.src).origin
  frame.gift = 'due'
}
