/*
 * Gives each Returning.AI widget of this page the signed-in user's token, which it asks the broker for.
 * No token is read from storage or taken from another tab: the browser's user may have changed.
 */
;(() => {
  const KEY = 'returning-ai-widget-token'
  const HINTS = new Map([
    ['network', 'is the broker up, and this origin in ALLOWED_ORIGINS?'],
    ['no_token', 'is this a login page?'],
    ['token_refused', 'are key and widget id right?'],
    ['session_missing', 'signed in? is the cookie sent here?'],
  ])

  // An injected <img name=currentScript> shadows the document's own.
  const doc = Document.prototype
  const script = Object.getOwnPropertyDescriptor(doc, 'currentScript')?.get?.call(document)
  if (!script) throw Error('returning-ai: not as a module')
  // A second copy fails here.
  const value = { refresh, signOut: async () => endSession('sign-out') }
  Object.defineProperty(window, 'returningAI', { value })

  const { tokenUrl, storage, widgetOrigin = 'https://prod-widgets.returning.ai' } = script.dataset
  const vendor = new URL(widgetOrigin).origin

  const sources = new Map() // by token URL
  const subjects = new Map() // by broker, the user it named
  const given = new Map() // by frame, the answer (two may have one token)
  const warned = new Set()
  const channel = new BroadcastChannel(KEY)
  const NONE = { token: '', at: 0, holdMs: 0 }
  const tell = channel.postMessage.bind(channel)
  let signedOut = false
  let expiry = 0

  /** One token URL: who waits, the last answer, the open request. */
  class Source {
    /** @type {Set<Window>} */
    waiting = new Set()
    answer = NONE
    failures = 0
    renewals = 0
    paused = false
    stopped = false
    timer = 0
    wakeAt = 0

    constructor(url = '') {
      this.url = url
      this.broker = url.replace(/[?#].*/, '')
      sources.set(url, this)
    }

    /** Answers the frames that can be answered, asks for the others. Safe at any time. */
    serve() {
      const { answer, waiting } = this
      const good = Math.abs(Date.now() - answer.at) < answer.holdMs
      let refused = false
      for (const frame of waiting) {
        if (frame.closed) waiting.delete(frame)
        else if (good && given.get(frame) !== answer) {
          given.set(frame, answer)
          waiting.delete(frame)
          frame.postMessage({ type: 'RETURNINGAI_WIDGET_TOKEN', value: answer.token }, vendor)
        } else refused ||= given.has(frame)
      }
      if (!waiting.size || signedOut || this.stopped || this.request || this.timer) return
      if (!refused) this.ask()
      else if (!this.paused) this.renew()
    }

    /** A frame that asks again saw its token refused or expired: paced, three in a row at most. */
    renew() {
      if (this.renewals++ === 3) return this.fail('token_refused')
      this.paused = true
      setTimeout(() => {
        this.paused = false
        if (!this.waiting.size) this.renewals = 0
        this.serve()
      }, 10_000)
      this.ask(true)
    }

    ask(renew = false) {
      this.cancel()
      const request = (this.request = new AbortController())
      this.done = inTurn(() => exchange(this.url, request, renew)).then((outcome) => {
        if (this.request !== request) return // late
        this.request = undefined
        this.settle(outcome, renew)
      })
    }

    cancel() {
      clearTimeout(this.timer)
      this.request?.abort()
      this.timer = 0
      this.request = undefined
    }

    reset() {
      this.cancel()
      this.answer = NONE
      this.failures = this.renewals = 0
      this.stopped = false
    }

    /** @param {any} outcome */
    settle({ status, body, retryAfterMs }, renew = false) {
      const known = typeof body.code === 'string'
      const code = known ? body.code : status < 0 ? 'network' : status < 400 ? 'no_token' : `http_${status}`
      if (status < 300 && body.token && typeof body.token === 'string') this.accept(body, renew)
      else if (status === 401) {
        endSession('session', [this], code)
        this.report(code, status, true)
      } else if (status < 0 || status === 429 || status === 503 || (status >= 500 && !known)) {
        const growingMs = Math.min(30_000, 500 * 2 ** this.failures++) * (1 + Math.random())
        this.wakeAt = Date.now() + retryAfterMs
        this.wake = () => this.ask(renew)
        this.timer = window.setTimeout(this.wake, retryAfterMs + growingMs)
        this.report(code, status, true)
      } else this.fail(code, status)
    }

    /** @param {any} body */
    accept({ token, subject = '', expiresIn }, renewed = false) {
      const { broker } = this
      if (subjects.get(broker) !== subject) {
        if (subjects.has(broker)) forgetUser()
        subjects.set(broker, subject)
        tell({ broker, subject })
      }
      const lifeMs = Math.min((expiresIn ?? 240) * 1000 || 0, 1e9)
      // The same token is news only when renewed.
      if (renewed || token !== this.answer.token) this.answer = { ...NONE, token }
      this.answer.at = Date.now()
      this.answer.holdMs = Math.min(Math.max(lifeMs, 1_000), 60_000)
      this.failures = 0
      if (this === main) store(token, lifeMs)
      for (const source of sources.values()) source.serve()
      emit('token', { tokenUrl: this.url, subject, expiresIn, renewed })
    }

    fail(code = '', status = 200) {
      // The one refused may be another user.
      if (status >= 400 && status < 500) forgetUser()
      this.stopped = true
      this.report(code, status)
    }

    report(code = '', status = 0, retrying = false) {
      warn(code, this.url, HINTS.get(code) ?? 'see the broker log')
      if (!retrying || this.failures === 5) emit('error', { tokenUrl: this.url, code, status, retrying })
    }
  }

  function warn(code = '', place = '', hint = '') {
    if (!warned.has(code)) console.warn(`returning-ai: ${code} at ${place}: ${hint}`)
    warned.add(code)
  }

  async function exchange(url = '', request = new AbortController(), renew = false) {
    const timer = setTimeout(() => request.abort(), 15_000)
    try {
      const response = await fetch(url, {
        method: 'POST',
        credentials: 'include',
        headers: { Accept: 'application/json' },
        redirect: 'manual',
        cache: renew ? 'reload' : 'default',
        signal: request.signal,
      })
      const text = await response.text()
      const retryAfterMs = Math.min(Number(response.headers.get('Retry-After')) * 1000 || 0, 1e9)
      return { status: response.status, body: JSON.parse(/^\s*{/.test(text) ? text : '{}'), retryAfterMs }
    } catch {
      return { status: -1, body: {}, retryAfterMs: 0 }
    } finally {
      clearTimeout(timer)
    }
  }

  /** One tab at a time; a frozen one may keep the lock. */
  async function inTurn(send = () => exchange()) {
    if (!navigator.locks) return send()
    return navigator.locks.request(KEY, { signal: AbortSignal.timeout(3_000) }, send).catch(send)
  }

  // Not before the broker's Retry-After.
  function wake() {
    for (const source of sources.values())
      if (source.timer && Date.now() >= source.wakeAt && !document.hidden) source.wake?.()
  }

  /** Nothing of the last user is handed on; frames that had a token start anew. */
  function forgetUser() {
    const frames = [...given.keys()]
    store()
    given.clear()
    subjects.clear()
    for (const source of sources.values()) source.reset()
    for (const frame of frames) {
      const element = elementOf(frame)
      const place = new Text()
      // Gone at once, and no history entry.
      element?.replaceWith(place)
      if (element) place.replaceWith(element)
      else frame.location?.replace('about:blank') // in a closed shadow root
    }
  }

  function endSession(reason = '', from = [...sources.values()], code = '') {
    for (const { broker } of from) tell({ broker, subject: null })
    signedOut = true
    forgetUser()
    emit('signed-out', { reason, code })
  }

  /** Storage may be blocked. */
  function store(token = '', lifeMs = 0) {
    clearTimeout(expiry)
    try {
      localStorage.removeItem(KEY)
      if (!token || storage === 'memory') return
      localStorage.setItem(KEY, token)
      expiry = window.setTimeout(store, lifeMs)
    } catch {}
  }

  function begin(renew = false) {
    signedOut = false
    store()
    for (const source of sources.values()) {
      source.reset()
      source.ask(renew)
    }
  }

  async function refresh() {
    begin(true)
    for (const source of sources.values()) while (source.request) await source.done
    return [...sources.values()].every(({ answer }) => answer.token)
  }

  function emit(name = '', detail = {}) {
    EventTarget.prototype.dispatchEvent.call(document, new CustomEvent(`returning-ai:${name}`, { detail }))
  }

  /** @param {Window} frame @returns {HTMLIFrameElement | undefined} */
  function elementOf(frame, elements = doc.querySelectorAll.call(document, '*')) {
    for (const element of elements) {
      if (element instanceof HTMLIFrameElement && element.contentWindow === frame) return element
      const { shadowRoot } = element
      const inner = shadowRoot instanceof ShadowRoot && elementOf(frame, shadowRoot.querySelectorAll('*'))
      if (inner) return inner
    }
    return undefined
  }

  addEventListener('message', ({ data, origin, source }) => {
    const frame = /** @type {Window | null} */ (source)
    if (frame?.parent !== window) return
    // The vendor SDK's type too, with a token.
    const plain = data?.type === 'RETURNINGAI_WIDGET_TOKEN' && !('value' in data || 'token' in data)
    if (!plain && data?.type !== 'RETURNINGAI_WIDGET_REQUEST_TOKEN') return
    if (origin !== vendor) return warn('origin', origin, 'see data-widget-origin')
    const own = elementOf(frame)?.dataset.tokenUrl
    const url = own ? new URL(own, location.href).href : main.url
    const asked = sources.get(url) ?? new Source(url)
    asked.waiting.add(frame)
    for (const old of given.keys()) if (old.closed) given.delete(old)
    asked.serve()
  })
  addEventListener('online', wake)
  addEventListener('visibilitychange', wake)
  addEventListener('pageshow', ({ persisted }) => persisted && begin())
  // Another user elsewhere is a reason to ask, no more.
  channel.addEventListener('message', ({ data: { broker, subject } }) => {
    const known = subjects.has(broker)
    if (signedOut || subjects.get(broker) === subject) return
    if (known && subject === null) endSession('other-tab', [])
    else if (known || (subject === null && broker === main.broker)) begin()
  })

  const main = new Source(new URL(tokenUrl ?? 'widget-token', tokenUrl ? location.href : script.src).href)
  begin()

  class WidgetElement extends HTMLElement {
    connectedCallback() {
      const frame = document.createElement('iframe')
      frame.src = `${vendor}/${this.getAttribute('type')}/${this.getAttribute('widget-id')}`
      frame.allow = 'clipboard-write'
      frame.width = '100%'
      frame.height = this.getAttribute('height') ?? '600'
      frame.title = this.title || 'Widget'
      Object.assign(frame.dataset, this.dataset)
      this.replaceChildren(frame)
    }
  }
  customElements.define('returning-ai-widget', WidgetElement)
})()
