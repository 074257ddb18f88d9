/** What `bridge.js` adds to a page: one global, three events on `document`, one element. */

/** The state of the token URL of the script. */
export interface State {
  readonly status: 'pending' | 'signed-in' | 'signed-out' | 'error'
  /** The problem code, with `signed-out` and `error`. */
  readonly code?: string
  /** With `error`: whether the bridge tries again by itself. */
  readonly retrying?: boolean
}

export interface Options {
  /**
   * For callers without a cookie. The bridge calls it for each request and never stores the result. `null` means that
   * nobody is signed in.
   */
  headers: () => HeadersInit | null | Promise<HeadersInit | null>
}

/** The global `returningAI`. None of its promises ever rejects. */
export interface ReturningAI {
  /** Drops all tokens and asks the broker for new ones. Resolves to whether there is one now. */
  refresh(): Promise<boolean>
  /** Forgets the user in all tabs and reloads the widgets. Nothing is requested again until `refresh()`. */
  signOut(): Promise<void>
  /** Sets the headers for callers without a cookie, and starts again with them. */
  configure(options: Options): void
  /** Frozen. After each change it is another object. */
  readonly state: State
  /** Resolves once, at the first outcome that is not a retry. */
  readonly ready: Promise<State>
}

export interface TokenDetail {
  /** The token URL that answered. */
  tokenUrl: string
  /** A hash that names the user. Empty if the token URL does not say. */
  subject: string
  /** The seconds left when the answer came. Absent if the token URL does not say. */
  expiresIn?: number
  /** Whether a newly minted token was requested: for a widget whose token was refused, or by `refresh()`. */
  renewed: boolean
}

export interface SignedOutDetail {
  /**
   * `session`: the broker answered 401. `sign-out`: the page called `signOut()`. `other-tab`: one of these happened in
   * another tab.
   */
  reason: 'session' | 'sign-out' | 'other-tab'
  /** With `session`, the problem code: `session_missing` without a session, `session_invalid` if it was refused. */
  code: string
  /** With `session`: names the request in the log of the broker. Absent if no answer came. */
  requestId?: string
}

export interface ErrorDetail {
  tokenUrl: string
  /** The broker's problem code, or `network`, `no_token`, `token_refused`, `headers` or `http_<status>`. */
  code: string
  /** The HTTP status: 0 for a redirect, -1 if there was no readable answer. */
  status: number
  /** Whether the bridge tries again by itself soon. If not, it waits for a widget, for minutes, or for `refresh()`. */
  retrying: boolean
  /** Names the request in the log of the broker. Absent if there was no readable answer. */
  requestId?: string
}

/** The attributes of `<returning-ai-widget>`. */
export interface WidgetAttributes {
  /** Such as `channel-widget`: the first part of the path of the widget's address. */
  type: string
  'widget-id': string
  title?: string
  /** In pixels, 600 by default. */
  height?: number | string
  /** The route of the broker for this widget alone. */
  'data-token-url'?: string
  /** `off`: the widget gets a token only when it asks. */
  'data-token'?: 'off'
  /** For pages with a Cross-Origin-Embedder-Policy. */
  credentialless?: boolean
}

/** What React and Vue accept on each element. */
export interface ElementAttributes<Element> {
  id?: string
  class?: string
  className?: string
  style?: object | string
  hidden?: boolean
  slot?: string
  key?: string | number | bigint | null
  ref?: ((element: Element | null) => void) | { current: Element | null } | string | null
}

/** `<returning-ai-widget type="channel-widget" widget-id="…">` creates the iframe of a widget in its shadow root. */
export interface ReturningAIWidgetElement extends HTMLElement {}

interface Elements {
  'returning-ai-widget': WidgetAttributes & ElementAttributes<ReturningAIWidgetElement>
}

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

// @ts-ignore: for pages with React alone
declare module 'react' {
  namespace JSX {
    interface IntrinsicElements extends Elements {}
  }
}

// @ts-ignore: for pages with Vue alone
declare module 'vue' {
  interface GlobalComponents {
    'returning-ai-widget': new () => { $props: Elements['returning-ai-widget'] }
  }
}
