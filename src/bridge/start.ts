import { ownProperty, read, resolve } from './page.ts'
import { warn } from './report.ts'
import { api, early, follow, listen } from './session.ts'
import { sourceOf, type Field, type Source } from './source.ts'

declare const VERSION: string

/** What a second script of ours uses instead of its own copy. */
export interface Core {
  version: string
  /** The token URLs of the scripts that run: the bridge and the keeper. */
  running: Partial<Record<Field, string>>
  early: typeof early
  follow: typeof follow
  listen: typeof listen
  sourceOf: typeof sourceOf
}

const CORE = Symbol.for('returning-ai')

/** Runs a script of ours, unless a copy of it runs already. */
export function start(
  path: string,
  field: Field,
  run: (core: Core, source: Source, script: Element) => void,
): void {
  const script = read('currentScript') as HTMLScriptElement | null
  if (!script) throw new Error('returning-ai: not as a module')
  const own = script.getAttribute('data-token-url')
  const url = own ? resolve(own) : resolve(path, script.src)
  if (!url) return warn('token_url', own ?? path)
  const present = ownProperty(window, 'returningAI')
  const existing = (present as { [CORE]?: Core } | undefined)?.[CORE]
  const core = existing ?? publish(present)
  const running = core.running[field]
  if (core.version !== VERSION || (running && running !== url.href)) return warn('second_copy', script.src)
  // `document.open()` has replaced the document and removed the listeners.
  if (running) return core.listen()
  core.running[field] = url.href
  const source = core.sourceOf(url, field)
  run(core, source, script)
}

/** Defines the one global. */
function publish(present: unknown): Core {
  Object.assign(early, present)
  const core = { version: VERSION, running: {}, early, follow, listen, sourceOf }
  const value = Object.assign(api, { [CORE]: core })
  Object.defineProperty(window, 'returningAI', { value, writable: false, configurable: false })
  return core
}

/**
 * Returns the messages that the fast start has heard. The source takes its request if the URL is the same.
 */
export function takeOver({ early }: Core, source: Source): MessageEvent[] {
  if (!early.heard) return []
  removeEventListener('message', early.listener!)
  if (early.url === source.url.href && !source.headers) source.early = early.response
  return early.heard
}
