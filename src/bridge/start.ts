import { isPrerendering, ofDocument, ownProperty, resolve } from './page.ts'
import { warn } from './report.ts'
import { api, follow, hasHeaders, listen, noteQuestion, open, sourceOf } from './session.ts'
import type { Field, Source } from './source.ts'

declare const VERSION: string

// No namespace import: the bundler would enumerate it, and with it a polluted `Object.prototype`.
const session = { api, follow, hasHeaders, listen, noteQuestion, sourceOf }

/** What a second script of ours uses instead of its own copy. */
export interface Core {
  version: string
  /** The token URL of each script that runs: the bridge's and the keeper's. */
  running: Partial<Record<Field, string>>
  session: typeof session
}

/** What the fast start has left: see fast-start.ts. */
interface Early {
  url: string
  listener: (event: MessageEvent) => void
  heard: MessageEvent[]
  response: Promise<Response>
}

export interface Start {
  core: Core
  source: Source
  script: Element
  early: Early | undefined
  /** `data-start="on-request"`: nothing is asked before somebody wants a token. */
  onRequest: boolean
}

const CORE = Symbol.for('returning-ai')
const LOAD_ONE = 'another copy of this script runs here already: load one, once'

/** What a script of ours needs to run, unless a copy of it runs already. */
export function start(path: string, field: Field): Start | undefined {
  const script = ofDocument('currentScript') as HTMLScriptElement | null
  if (!script) throw new Error('returning-ai: not as a module')
  const own = script.getAttribute('data-token-url')
  const url = own === null ? resolve(path, script.src) : resolve(own)
  if (!url) return warn('token_url', own ?? script.src, 'this is no address')
  const present = ownProperty(window, 'returningAI')
  const existing = ownProperty(present, CORE as never) as Core | undefined
  const core: Core = existing ?? { version: VERSION, running: {}, session }
  const running = core.running[field]
  if (core.version !== VERSION || (running && running !== url.href))
    return warn('second_copy', script.src, LOAD_ONE)
  if (running) {
    // The document was written anew, which took the listeners away.
    core.session.listen()
    return undefined
  }
  core.running[field] = url.href
  const source = core.session.sourceOf(url, field)
  if (!existing) {
    publish(core)
    open()
  }
  const onRequest = script.getAttribute('data-start') === 'on-request'
  return { core, source, script, onRequest, early: existing ? undefined : takeOver(present, source) }
}

/** Defines the one global. */
function publish(core: Core): void {
  const value = Object.defineProperty(core.session.api, CORE, { value: core })
  Object.defineProperty(window, 'returningAI', { value, writable: false, configurable: false })
}

/** Takes the request and the messages of the fast start, if it is ours and asked the same URL. */
function takeOver(present: unknown, source: Source): Early | undefined {
  const early = present as Early | undefined
  if (typeof early?.listener !== 'function' || !Array.isArray(early.heard)) return undefined
  removeEventListener('message', early.listener)
  if (early.url === source.url.href && !isPrerendering() && !source.listener.headersFor(source))
    source.early = early.response
  return early
}
