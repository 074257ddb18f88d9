import { Frame } from './frame.ts'
import { findAll } from './page.ts'

export const frames = new Map<Window, Frame>()

export function frameOf(window: Window, its?: HTMLIFrameElement): Frame {
  const known = frames.get(window)
  if (known) return known
  for (const old of frames.keys()) if (old.closed) frames.delete(old)
  const element = its ?? iframeOf(window)
  const frame = new Frame(window, element)
  frames.set(window, frame)
  if (element) watch(element)
  return frame
}

/** None for an iframe in a closed shadow root. */
function iframeOf(window: Window): HTMLIFrameElement | undefined {
  for (const element of iframes()) if (element.contentWindow === window) return element
  return undefined
}

/** The iframes of the document and of our own elements come first: to walk 50,000 elements takes 30 ms. */
export function* iframes(root?: ShadowRoot): Generator<HTMLIFrameElement> {
  // SVG may contain elements of the same name.
  for (const element of findAll('iframe', root)) if (element instanceof HTMLIFrameElement) yield element
  for (const selector of ['returning-ai-widget', '*'])
    for (const { shadowRoot } of findAll(selector, root))
      if (shadowRoot instanceof ShadowRoot) yield* iframes(shadowRoot)
}

/** Follows the `load` of an iframe, the only sign of a new document. It does not leave a shadow root. */
export function watch(element: HTMLIFrameElement): void {
  element.addEventListener('load', handleLoad)
}

/** Follows the iframes that load in the document. */
export function noteLoad({ target }: Event): void {
  if (target instanceof HTMLIFrameElement) watch(target)
}

function handleLoad(this: HTMLIFrameElement): void {
  if (this.contentWindow) frameOf(this.contentWindow, this).loaded()
}
