/** What the scenes need of a browser. Everything else happens in the pages that they serve. */
export interface Browser {
  open(): Promise<Tab>
}

export interface Engine {
  /** Opens an empty tab in a window of its own, which is visible like every other one. */
  open(): Promise<EngineTab>
  /** Ends the browser and everything that it started, at once. */
  kill(): void
}

export interface Tab {
  /** Resolves when the page and its frames have loaded. */
  goto(url: string): Promise<void>
  /** Evaluates an expression in the page and awaits it. Its value travels as JSON does. */
  run(expression: string): Promise<unknown>
  close(): Promise<void>
}

/** A tab that never closes, but leaves its page for an empty one. */
export type EngineTab = Omit<Tab, 'close'> & { leave(): Promise<void> }

export type Work<Input, Output> = (input: Input) => Output | Promise<Output>

/** A function and its argument as an expression that does not depend on where it was written. */
export function expressionOf<Input, Output>(work: Work<Input, Output> | string, input?: Input): string {
  if (typeof work === 'string') return work
  // Only JSON.parse keeps a `__proto__` within the argument a plain property.
  return `(${String(work)})(${input === undefined ? '' : `JSON.parse(${JSON.stringify(JSON.stringify(input))})`})`
}
