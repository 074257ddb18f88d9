import { findAll, onDocument } from './page.ts'
import type { Answer, Source } from './source.ts'

/** What is known of the window of a widget. It outlives the documents in it. */
export interface Frame {
  window: Window
  element: HTMLIFrameElement | undefined
  source: Source | undefined
  origin: string
  waiting: boolean
  /** What its present document was answered. */
  answer: Answer | undefined
  /** What it was last handed, and when each of its documents was handed that. */
  last: Answer | undefined
  handedAt: number[]
  /** Its document asks before its own `load` (undefined: it has not asked yet). */
  early: boolean | undefined
  loaded: boolean
  askedSinceLoad: boolean
  /** It was there before the bridge, which may have missed its question: it is handed a token unasked. */
  gift: 'due' | 'given' | undefined
  /** Asked again after an answer; `ripe` when no `load` has shown that another document asked. */
  refused: boolean
  ripe: boolean
  refusals: number
  gaveUpAt: number | undefined
}

export const frames = new Map<Window, Frame>()
const inClosedRoots = new WeakSet<Window>()
const watched = new WeakSet<HTMLIFrameElement>()
let loadedAgain: (frame: Frame) => void

/** Follows every iframe's `load`: it is the only sign of a new document. */
export function watchLoads(onLoad: (frame: Frame) => void): void {
  loadedAgain = onLoad
  onDocument('load', noteLoad)
}

function noteLoad({ target }: Event): void {
  if (target instanceof HTMLIFrameElement) watch(target)
}

/** `load` does not leave a shadow root, so the listener sits on the iframe itself. */
export function watch(element: HTMLIFrameElement): void {
  if (!watched.has(element)) element.addEventListener('load', handleLoad)
  watched.add(element)
}

function handleLoad(this: HTMLIFrameElement): void {
  if (this.contentWindow) loadedAgain(frameOf(this.contentWindow, this))
}

export function frameOf(window: Window, element = elementOf(window)): Frame {
  const known = frames.get(window)
  if (known) return known
  for (const old of frames.keys()) if (old.closed) frames.delete(old)
  const frame = { window, element, origin: '', handedAt: [] as number[], refusals: 0 } as unknown as Frame
  frames.set(window, frame)
  if (element) watch(element)
  return frame
}

/** Looks through the frames of the page first: to walk 50,000 elements for their shadow roots takes 30 ms. */
function elementOf(window: Window): HTMLIFrameElement | undefined {
  if (inClosedRoots.has(window)) return undefined
  const found =
    findIn(window) ??
    shadowRoots().reduce<HTMLIFrameElement | undefined>(
      (element, root) => element ?? findIn(window, root),
      undefined,
    )
  if (!found) inClosedRoots.add(window)
  return found
}

function findIn(window: Window, root?: ShadowRoot): HTMLIFrameElement | undefined {
  return [...findAll<HTMLIFrameElement>('iframe', root)].find((element) => element.contentWindow === window)
}

function shadowRoots(root?: ShadowRoot): ShadowRoot[] {
  return [...findAll('*', root)].flatMap(({ shadowRoot }) =>
    shadowRoot instanceof ShadowRoot ? [shadowRoot, ...shadowRoots(shadowRoot)] : [],
  )
}

/** All iframes of the page but those in closed shadow roots. */
export function allIframes(): HTMLIFrameElement[] {
  return [undefined, ...shadowRoots()].flatMap((root) => [...findAll<HTMLIFrameElement>('iframe', root)])
}

/** Starts a widget anew without a history entry, at once empty. */
export function reload({ element, window }: Frame): void {
  frames.delete(window)
  const place = new Text()
  element?.replaceWith(place)
  if (element) place.replaceWith(element)
  else window.location?.replace('about:blank')
}
