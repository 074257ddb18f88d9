import { afterAll, onTestFinished, TestRunner } from 'vitest'

const ends: (() => Promise<void>)[] = []

afterAll(async () => {
  for (const end of ends.toReversed()) await end()
})

/**
 * Ends what a test started: when the returned function is called, at the latest after the test, or after the file
 * where it was started outside of a test. What was started last ends first, and everything ends once.
 */
export function atEnd(end: () => unknown): () => Promise<void> {
  let ended: Promise<void> | undefined
  const endOnce = () => (ended ??= Promise.resolve(end()).then(() => undefined))
  if (TestRunner.getCurrentTest() === undefined) ends.push(endOnce)
  else onTestFinished(endOnce)
  return endOnce
}
