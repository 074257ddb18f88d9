/**
 * Reads a property of the document itself. `<img name="hidden">` shadows `document.hidden`, so markup that a page lets
 * its users write could lead the bridge astray.
 */
export function ofDocument(name: string): unknown {
  return Reflect.get(Document.prototype, name, document)
}

export function isPrerendering(): boolean {
  return ofDocument('prerendering') === true
}

/** All elements that match, in the document or in one shadow root. */
export function findAll<Found extends Element>(selector: string, root?: ShadowRoot): NodeListOf<Found> {
  return root
    ? root.querySelectorAll<Found>(selector)
    : (Document.prototype.querySelectorAll.call(document, selector) as NodeListOf<Found>)
}

/** Listens on the document in the capture phase: `load` of an iframe never reaches the window. */
export function onDocument(type: string, listener: (event: Event) => void): void {
  EventTarget.prototype.addEventListener.call(document, type, listener, true)
}

/**
 * Resolves an address against the page's own, which a `<base>` element cannot change. An `about:srcdoc` page has none
 * of its own.
 */
export function resolve(address: string, base = location.href): URL | undefined {
  const own = base.startsWith('about:') ? Reflect.get(Node.prototype, 'baseURI', document) : base
  try {
    return new URL(address, own)
  } catch {
    return undefined
  }
}

/** A property that the object itself has: a polluted `Object.prototype` must not choose an address or a header. */
export function ownProperty(object: unknown, name: string): unknown {
  const target = Object(object)
  return Object.hasOwn(target, name) ? target[name] : undefined
}

/** Calls back after a while. Safari 15 and Chrome below 103 have no `AbortSignal.timeout`. */
export function pause(ms: number): Promise<unknown> {
  return new Promise((resolve) => {
    if (AbortSignal.timeout) AbortSignal.timeout(ms).addEventListener('abort', resolve)
    else setTimeout(resolve, ms)
  })
}
