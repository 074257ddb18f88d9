/**
 * Reads a property of the document or of another node, even if markup shadows it: `<img name="hidden">`
 * replaces
 * `document.hidden`, and a page may let its users write such markup.
 */
export function read(name: string, node: Node = document): unknown {
  return Reflect.get(Document.prototype, name, node)
}

/** Calls a method of the document, even if markup shadows it. */
export function call(name: string, ...given: unknown[]): unknown {
  return Reflect.apply(read(name) as () => unknown, document, given)
}

/** All elements that match, in the document or in one shadow root. */
export function findAll(selector: string, root?: ShadowRoot): Iterable<Element> {
  return root ? root.querySelectorAll(selector) : (call('querySelectorAll', selector) as Iterable<Element>)
}

/**
 * Resolves an address against the page's own, which a `<base>` element cannot change. An `about:srcdoc` page
 * has no address of its own, so its base URL counts.
 */
export function resolve(address: string, base = location.href): URL | undefined {
  try {
    return new URL(address, base.startsWith('about:') ? (read('baseURI') as string) : base)
  } catch {
    return undefined
  }
}

/**
 * A property that the object itself has: a polluted `Object.prototype` must not choose an address or a
 * header.
 */
export function ownProperty(object: unknown, name: string): unknown {
  const target = Object(object)
  return Object.hasOwn(target, name) ? target[name] : undefined
}

/** Limited to 1e9 ms, because timers of browsers overflow after 24 days. */
export function toMs(seconds: unknown): number {
  return Math.min(Number(seconds) * 1000 || 0, 1e9)
}
