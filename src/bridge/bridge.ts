import { defineElement } from './element.ts'
import { frameOf, frames, iframes, noteLoad } from './frames.ts'
import { isRequest } from './messages.ts'
import { call, read, resolve } from './page.ts'
import { warn } from './report.ts'
import type { Source } from './source.ts'
import { start, takeOver, type Core } from './start.ts'
import { store } from './storage.ts'

/*
 * Gives each Returning.AI widget of this page the token of the signed-in user, which it requests from the
 * broker. No token is read from storage or taken from another tab: the browser may have another user by now.
 */
start('widget-token', 'token', run)

function run(core: Core, main: Source, script: Element): void {
  const named = script.getAttribute('data-widget-origin') ?? 'https://prod-widgets.returning.ai'
  const origins = named.split(/\s+/).flatMap((each) => resolve(each)?.origin ?? [])
  const inMemory = script.getAttribute('data-storage') === 'memory'
  const onRequest = script.getAttribute('data-start') === 'on-request'

  /** Warns if a Content-Security-Policy blocks what the bridge needs. */
  function notePolicy({ blockedURI, effectiveDirective }: SecurityPolicyViolationEvent): void {
    const blocked = [main.url.origin, ...origins].some((each) => blockedURI.startsWith(each))
    if (blocked) warn('policy', `${effectiveDirective} ${blockedURI}`)
  }

  /** The token URL of a frame: its own attribute takes precedence over the script's. */
  function sourceOf(element: Element | undefined): Source | undefined {
    const own = element?.getAttribute('data-token-url')
    if (!own) return main
    const url = resolve(own)
    return url ? core.sourceOf(url, 'token') : warn('token_url', own)
  }

  function hear({ data, origin, source: sender }: MessageEvent<unknown>): void {
    if ((sender as Window | null)?.parent !== window || !isRequest(data)) return
    if (!origins.includes(origin)) return warn('origin', origin)
    const frame = frameOf(sender as Window)
    const source = sourceOf(frame.element)
    if (source) frame.ask(source, origin)
  }

  /** Offers a token to the frames that are already there: they may have asked before the bridge listened. */
  function offerAll(): void {
    for (const element of iframes()) {
      const { contentWindow } = element
      const origin = origins.find((each) => element.src.startsWith(`${each}/`))
      const off = element.getAttribute('data-token') === 'off' || isInVendorTag(element)
      const source = contentWindow && origin && !off && sourceOf(element)
      if (!source) continue
      if (!onRequest) source.want()
      frameOf(contentWindow, element).offer(source, origin)
    }
  }

  store()
  takeOver(core, main).forEach(hear)
  if (!onRequest || main.early) main.want()
  core.follow({
    listen() {
      addEventListener('message', hear)
      addEventListener('securitypolicyviolation', notePolicy)
      call('addEventListener', 'load', noteLoad, true)
      offerAll()
    },
    serve(answered) {
      const token = answered === main && main.answer
      if (token && !inMemory && !main.headers) store(token.token, token.lifeMs)
      for (const frame of frames.values()) frame.serve()
    },
    forget(gone, only) {
      if (!only || only === main) store()
      for (const frame of frames.values()) if (!only || frame.source === only) frame.forget(gone)
    },
  })
  defineElement(origins)
  if (crossOriginIsolated) warn('coep', named)
}

/** Whether an iframe belongs to one of the vendor's own elements, which communicate with it themselves. */
function isInVendorTag(element: Element): boolean {
  for (let at: unknown = element; at; at = parentOf(at as Node))
    if (/^rai-/i.test(read('nodeName', at as Node) as string)) return true
  return false
}

/** The parent, or the host of a shadow root. A document has no host, but markup can give it one. */
function parentOf(node: Node): unknown {
  return node instanceof ShadowRoot ? node.host : read('parentNode', node)
}
