/** What `bridge.js` adds to a page: one global, three events on `document`, one element. */
export {}

/** The state of the script's own token URL. */
export interface State {
  readonly status: 'pending' | 'signed-in' | 'signed-out' | 'error'
  /** The problem code of `signed-out` and `error`. */
  readonly code?: string
  /** Of `error`: whether the bridge tries again by itself. */
  readonly retrying?: boolean
}

export interface Options {
  /**
   * For callers without a cookie: called anew for each request; `null` means that nobody is signed in. The result is
   * never stored.
   */
  headers: () => HeadersInit | null | Promise<HeadersInit | null>
}

/** The global `returningAI`. None of its functions ever rejects. */
export interface ReturningAI {
  /** Drops what is held, asks the broker for newly minted tokens; resolves to whether there is one now. */
  refresh(): Promise<boolean>
  /** Forgets the user in all tabs and reloads the widgets; nothing is asked again until `refresh()`. */
  signOut(): Promise<void>
  /** Gives the headers of a caller without a cookie, and begins anew. */
  configure(options: Options): void
  /** Frozen, and another object after each change. */
  readonly state: State
  /** Resolves once, at the first outcome that is not a retry. Never rejects. */
  readonly ready: Promise<State>
}

export interface TokenDetail {
  /** The token URL that answered. */
  tokenUrl: string
  /** Keyed hash of the user; empty where the token URL does not say. */
  subject: string
  /** Seconds left when the answer came; absent where the token URL does not say. */
  expiresIn?: number
  /** Whether a newly minted token was asked for: by a widget whose token was refused, or by `refresh()`. */
  renewed: boolean
}

export interface SignedOutDetail {
  /** `session`: the broker answered 401. `sign-out`: `signOut()` was called. `other-tab`: either, elsewhere. */
  reason: 'session' | 'sign-out' | 'other-tab'
  /** Of `session`, the problem code: `session_missing` where none came, `session_invalid` where it was refused. */
  code: string
  /** Of `session`: finds the request in the broker's log. Absent where no answer came. */
  requestId?: string
}

export interface ErrorDetail {
  tokenUrl: string
  /** The broker's problem code, or `network`, `no_token`, `token_refused`, `headers`, `http_<status>`. */
  code: string
  /** HTTP status; 0 for a redirect, -1 when there was no readable answer. */
  status: number
  /** True: the bridge is trying again. False: it waits for a widget, for minutes, or for `refresh()`. */
  retrying: boolean
  /** Finds the request in the broker's log. Absent where there was no readable answer. */
  requestId?: string
}

/** `<returning-ai-widget type="channel-widget" widget-id="…">`, with `title`, `height`, `data-token-url`. */
export interface ReturningAIWidgetElement extends HTMLElement {}

declare global {
  interface Window {
    readonly returningAI: ReturningAI
    returningAIConfig?: Options
  }
  var returningAI: ReturningAI
  interface DocumentEventMap {
    'returning-ai:token': CustomEvent<TokenDetail>
    'returning-ai:signed-out': CustomEvent<SignedOutDetail>
    'returning-ai:error': CustomEvent<ErrorDetail>
  }
  interface HTMLElementTagNameMap {
    'returning-ai-widget': ReturningAIWidgetElement
  }
}
