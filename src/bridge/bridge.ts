import { ask, loaded, offer, serve } from './answers.ts'
import { defineElement } from './element.ts'
import { allIframes, frameOf, frames, reload, watchLoads } from './frames.ts'
import { isRequest } from './messages.ts'
import { resolve } from './page.ts'
import { warn, warnOfPolicy } from './report.ts'
import type { Source } from './source.ts'
import { start, type Start } from './start.ts'
import { store } from './storage.ts'

/*
 * Gives each Returning.AI widget of this page the signed-in user's token, which it asks the broker for. No token is read
 * from storage or taken from another tab: the browser's user may have changed.
 */
const started = start('widget-token', 'token')
if (started) run(started)

function run({ core: { session }, source: main, script, early, onRequest }: Start): void {
  const named = script.getAttribute('data-widget-origin') ?? 'https://prod-widgets.returning.ai'
  const origins = named.split(/\s+/).flatMap((each) => resolve(each)?.origin ?? [])
  const inMemory = script.getAttribute('data-storage') === 'memory'
  const blocked = warnOfPolicy([main.url.origin, ...origins])

  /** The token URL of a frame: its own attribute goes before the script's. */
  function sourceOf(element: Element | undefined): Source | undefined {
    const own = element?.getAttribute('data-token-url')
    if (!own) return main
    const url = resolve(own)
    if (!url) return warn('token_url', own, 'this is no address')
    return session.sourceOf(url, 'token')
  }

  function hear({ data, origin, source: sender }: MessageEvent): void {
    const window = sender as Window | null
    if (window?.parent !== globalThis.window || !isRequest(data)) return
    if (!origins.includes(origin)) return warn('origin', origin, 'see data-widget-origin')
    const frame = frameOf(window)
    const source = sourceOf(frame.element)
    if (!source) return
    frame.origin = origin
    session.noteQuestion()
    ask(frame, source)
  }

  /** Frames that are there already may have asked before anybody listened. */
  function offerAll(): void {
    for (const element of allIframes()) {
      const ours = origins.includes(resolve(element.src)?.origin ?? '')
      const off = element.getAttribute('data-token') === 'off' || isInVendorTag(element)
      const source = ours && !off && sourceOf(element)
      if (source) offer(element, source)
    }
  }

  session.follow({
    listen() {
      addEventListener('message', hear)
      addEventListener('securitypolicyviolation', blocked)
      watchLoads(loaded)
      offerAll()
    },
    began() {
      store()
      for (const frame of frames.values()) Object.assign(frame, { refusals: 0, gaveUpAt: undefined })
    },
    serve(answered) {
      const token = answered === main && main.answer
      if (token && !inMemory && !session.hasHeaders()) store(token.token, token.lifeMs)
      for (const source of new Set([...frames.values()].map((frame) => frame.source)))
        if (source) serve(source)
    },
    forget(only) {
      if (!only || only === main) store()
      for (const frame of frames.values())
        if ((!only || frame.source === only) && (frame.last ?? frame.answer)) reload(frame)
    },
  })
  store()
  early?.heard.forEach(hear)
  if (!onRequest || main.early) main.ask()
  defineElement(origins)
  if (crossOriginIsolated) warn('coep', origins.join(' '), 'iframes need the attribute credentialless')
}

/** The vendor's own elements speak with their own frames. */
function isInVendorTag(element: Element): boolean {
  for (let at: Element | null = element; at; at = at.parentElement ?? hostOf(at))
    if (at.localName.startsWith('rai-')) return true
  return false
}

function hostOf(element: Element): Element | null {
  const root = element.getRootNode()
  return root instanceof ShadowRoot ? root.host : null
}
