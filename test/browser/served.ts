// Scripts that the stage serves with its pages, as source text. So they use nothing outside of themselves, and need
// nothing from the engine.

/** What a widget's document asks its tab, so that the stage knows where it is. */
const WHICH = 'which tab?'

/** The first script of a customer's page: notes what the page does and sees. */
function observe(which: string): void {
  const fetch = window.fetch.bind(window)
  Object.assign(window, { fetched: [], seen: [], warnings: [], faults: [] })
  window.answers = Promise.resolve()
  window.fetch = (...request) => {
    fetched.push(Date.now())
    const response = fetch(...request)
    answers = Promise.allSettled([answers, response.then((answer) => answer.clone().text())])
    return response
  }
  console.warn = (...words) => void warnings.push(words.join(' '))
  for (const name of ['token', 'signed-out', 'error'])
    document.addEventListener(`returning-ai:${name}`, (event) => {
      const { type, detail } = event as CustomEvent
      seen.push({ type, detail })
    })
  addEventListener('error', ({ message }) => faults.push(message))
  addEventListener('unhandledrejection', ({ reason }) => faults.push(String(reason)))
  document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
    // WebKit requests an icon by itself.
    if (!blockedURI.endsWith('/favicon.ico')) faults.push(`${violatedDirective} ${blockedURI}`)
  })
  // Before the script under test, which never sees it.
  const answer = (event: MessageEvent) => {
    if (event.data !== which) return
    event.stopImmediatePropagation()
    event.ports[0]?.postMessage(location.pathname.slice(1))
  }
  addEventListener('message', answer, true)
}

/**
 * Freezes the page's time; the test moves it. Network answers still arrive in real time: each request has two
 * seconds to be answered before the time moves on.
 */
function freezeTime(): void {
  const timers = new Map<number, { at: number; run: () => void }>()
  const { Date } = window
  const setTimeout = window.setTimeout.bind(window)
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
  let now = 0
  let offset = 0
  let last = 0
  let awaited: Promise<unknown>
  const settle = async () => {
    await pause(0)
    if (awaited === answers) return
    awaited = answers
    await Promise.race([awaited, pause(2_000)])
  }
  const runFor = async (ms: number) => {
    const end = now + ms
    for (;;) {
      await settle()
      const [next] = [...timers].filter(([, { at }]) => at <= end).sort(([, one], [, two]) => one.at - two.at)
      if (!next) break
      timers.delete(next[0])
      now = next[1].at
      next[1].run()
    }
    now = end
  }
  class FrozenDate extends Date {
    constructor(value: number | string = FrozenDate.now()) {
      super(value)
    }
    static override now = () => now + offset
  }
  const setLater = (work: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
    timers.set(++last, { at: now + Math.max(0, ms), run: () => work(...args) })
    return last
  }
  const setSystemTime = (ms: number) => void (offset = ms - now)
  Object.assign(window, {
    Date: FrozenDate,
    setTimeout: setLater,
    clearTimeout: (id: number) => timers.delete(id),
    clock: { runFor, setSystemTime },
  })
}

/** Lets the stage evaluate in a document of another site, so that no engine has to reach into frames. */
function connect(which: string): void {
  window.whichTab = () =>
    new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel()
      port1.addEventListener('message', ({ data }) => resolve(data))
      port1.start()
      const { opener, top } = window
      ;(opener ?? top).postMessage(which, '*', [port2])
    })
  void whichTab().then((tab) => {
    const query = new URLSearchParams({ tab, url: location.href })
    const socket = new WebSocket(`ws://${location.host}/?${query}`)
    const answer = async ({ data }: MessageEvent) => {
      const { id, expression } = JSON.parse(data)
      try {
        // oxlint-disable-next-line no-eval -- The expression is the test's own.
        socket.send(JSON.stringify({ id, value: await (0, eval)(expression) }))
      } catch (error) {
        socket.send(JSON.stringify({ id, error: String(error) }))
      }
    }
    socket.addEventListener('message', (event) => void answer(event))
  })
}

export const OBSERVE: string = `;(${String(observe)})('${WHICH}')`
export const FREEZE_TIME: string = `;(${String(freezeTime)})()`
export const CONNECT: string = `;(${String(connect)})('${WHICH}')`
