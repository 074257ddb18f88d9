import { expressionOf, type Tab, type Work } from './engines/engine.ts'

declare global {
  /** When the page asked, by its own clock, in milliseconds. */
  var fetched: number[]
  /** Settled when the page has no request in progress. */
  var answers: Promise<unknown>
  /** The events that the page saw. */
  var seen: { type: string; detail: Record<string, unknown> }[]
  /** What the page was warned of in its console. */
  var warnings: string[]
  /** Errors that nothing caught, and violations of the page's policy. */
  var faults: string[]
  var clock: { runFor(ms: number): Promise<void>; setSystemTime(ms: number): void }
}

/** A customer's page in its tab. */
export interface Page {
  id: string
  evaluate(expression: string): Promise<unknown>
  evaluate<Output>(work: Work<void, Output>): Promise<Output>
  evaluate<Input, Output>(work: Work<Input, Output>, input: Input): Promise<Output>
  /** Appends HTML to the body. Scripts in it do not run. */
  append(html: string): Promise<void>
  /** Adds a script and waits until it has run. */
  addScript(attributes: Record<string, string>): Promise<void>
  /** Moves the time of a page that was opened with `clock`. */
  clock: {
    runFor(ms: number): Promise<void>
    setSystemTime(ms: number): Promise<void>
  }
  goto(url: string): Promise<void>
  close(): Promise<void>
}

export function openPage(id: string, tab: Tab): Page {
  const evaluate = (work: Work<never, unknown> | string, input?: unknown) =>
    tab.run(expressionOf(work, input as never)) as Promise<never>
  return {
    id,
    evaluate,
    append: (html) => evaluate((html) => document.body.insertAdjacentHTML('beforeend', html), html),
    addScript: (attributes) => evaluate(addScript, attributes),
    clock: {
      runFor: (ms) => evaluate((ms: number) => clock.runFor(ms), ms),
      setSystemTime: (ms) => evaluate((ms: number) => clock.setSystemTime(ms), ms),
    },
    goto: (url) => tab.goto(url),
    close: () => tab.close(),
  }
}

function addScript(attributes: Record<string, string>): Promise<void> {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script')
    for (const [name, value] of Object.entries(attributes)) script.setAttribute(name, value)
    script.addEventListener('load', () => resolve())
    script.addEventListener('error', () => reject(new Error('no such script')))
    document.head.append(script)
  })
}
