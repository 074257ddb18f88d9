import { expect } from 'vitest'
import type { Page } from './page.ts'
import type { Stage } from './stage.ts'

/** A busy machine needs its time; one that is not waits for nothing. */
export const eventually = { timeout: 10_000, interval: 20 }

/** The values of the messages that each widget gets, widget by widget. */
export async function expectHeard(stage: Stage, page: Page, values: (string | undefined)[][]): Promise<void> {
  await expect.poll(() => stage.heard(page), eventually).toEqual(values)
}

/**
 * The different tokens of each widget: an unrequested one comes again at the frame's `load`, if that is still to come.
 */
export async function expectTokens(stage: Stage, page: Page, tokens: string[][]): Promise<void> {
  const heard = async () => (await stage.heard(page)).map((values) => [...new Set(values)])
  await expect.poll(heard, eventually).toEqual(tokens)
}

/** How often the broker is asked, preflights included. */
export async function expectAsked(stage: Stage, times: number): Promise<void> {
  await expect.poll(() => stage.broker.asked().length, eventually).toBe(times)
}

/** How often the page has asked at least, where the broker cannot say: Chromium repeats a request that is cut. */
export async function expectFetched(page: Page, times: number): Promise<void> {
  await expect.poll(() => page.evaluate(() => fetched.length), eventually).toBeGreaterThanOrEqual(times)
}

/**
 * Lets the page's time pass, in steps that leave answers the time to come, until it has asked so often.
 */
export async function expectFetchedInTime(page: Page, times: number, stepMs = 1_000): Promise<void> {
  const pass = async () => {
    await page.clock.runFor(stepMs)
    return page.evaluate(() => fetched.length)
  }
  await expect.poll(pass, { timeout: 15_000, interval: 10 }).toBeGreaterThanOrEqual(times)
}

/** That the page has its first refusal with this code: from then on the test may move the page's time. */
export async function expectWarned(page: Page, code: string): Promise<void> {
  await expect
    .poll(() => page.evaluate(() => warnings), eventually)
    .toContainEqual(expect.stringMatching(`^returning-ai: ${code} at `))
}

/** An event that the page sees sooner or later. */
export async function expectSeen(page: Page, type: string, detail: object = {}): Promise<void> {
  const event = { type: `returning-ai:${type}`, detail: expect.objectContaining(detail) }
  await expect.poll(() => page.evaluate(() => seen), eventually).toContainEqual(event)
}
