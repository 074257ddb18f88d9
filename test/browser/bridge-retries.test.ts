import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually, expectAsked, expectFetchedInTime, expectHeard, expectWarned } from './expect.ts'
import type { Page } from './page.ts'
import { answerAs, refusal, type Answer, type Script } from './scripted-broker.ts'
import { startStage, type Stage } from './stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await startStage()
})
beforeEach(() => stage.reset())
afterAll(() => stage.close())

const fetchedAt = (page: Page) => page.evaluate(() => fetched)
const errors = (page: Page) =>
  page.evaluate(() => seen.filter(({ type }) => type === 'returning-ai:error').map(({ detail }) => detail))

/** The one answer to the requests of these numbers, else a token. */
const faultAt =
  (answer: Answer | 'no-cors', isFault: (count: number) => boolean): Script =>
  (request, count) =>
    isFault(count) ? answer : answerAs('ann')(request, count)

describe('Retries of the bridge', () => {
  test('wait longer each time, and are reported to the page once, at the first', async () => {
    stage.broker.script = () => refusal(503, 'vendor_timeout')
    const page = await stage.open(stage.script(), { clock: true })
    const tokenUrl = `${stage.broker.origin}/widget-token`
    const told = { tokenUrl, code: 'vendor_timeout', status: 503, retrying: true, requestId: 'request-1' }
    await expectFetchedInTime(page, 5)
    await expect.poll(() => errors(page), eventually).toMatchObject([told])
    expect(await fetchedAt(page)).toHaveLength(5)
    await expectFetchedInTime(page, 8)
    const times = await fetchedAt(page)
    const waits = times.slice(1).map((time, index) => time - times[index]!)
    for (const [index, mostMs] of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000].entries()) {
      expect(waits[index]).toBeGreaterThanOrEqual(mostMs / 2)
      expect(waits[index]).toBeLessThan(mostMs + 2_500)
    }
    expect(await errors(page)).toMatchObject([told])
  })

  test('start over after a success, and repeat the original request', async () => {
    stage.broker.script = faultAt(refusal(503, 'overloaded'), (count) => count < 10 && count !== 5)
    const page = await stage.open(stage.script() + stage.widget(), { clock: true })
    await expectFetchedInTime(page, 5)
    await expectHeard(stage, page, [['ann-token-5']])
    await stage.ask(page)
    await expectFetchedInTime(page, 10)
    await expectHeard(stage, page, [['ann-token-5', 'ann-token-10']])
    expect(await errors(page)).toHaveLength(2)
    const renewed = stage.broker.asked().map(({ headers }) => headers['cache-control'] === 'no-cache')
    expect(renewed).toEqual([false, false, false, false, false, true, true, true, true, true])
  })

  test('never happen before Retry-After is over, whatever wakes the page', async () => {
    stage.broker.script = faultAt(
      refusal(503, 'shutting_down', { 'Retry-After': '5' }),
      (count) => count === 1,
    )
    const page = await stage.open(stage.script() + stage.widget(), { clock: true })
    await expectWarned(page, 'shutting_down')
    await page.clock.runFor(4_000)
    await page.evaluate(() => dispatchEvent(new Event('online')))
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange', { bubbles: true })))
    await expectFetchedInTime(page, 2, 100)
    const [first = 0, second = 0] = await fetchedAt(page)
    expect(second - first).toBeGreaterThanOrEqual(5_000)
    expect(second - first).toBeLessThan(8_000)
  })

  test('do not become a storm if Retry-After exceeds the range of timers', async () => {
    stage.broker.script = () => refusal(429, 'rate_limited', { 'Retry-After': '99999999999' })
    const page = await stage.open(stage.script(), { clock: true })
    await expectWarned(page, 'rate_limited')
    for (let minutes = 0; minutes < 60; minutes += 5) await page.clock.runFor(300_000)
    expect(await fetchedAt(page)).toHaveLength(1)
  })

  test.each(['online', 'visibilitychange'])('happen at once on %s', async (event) => {
    stage.broker.script = faultAt(refusal(503, 'overloaded'), (count) => count <= 7)
    const page = await stage.open(stage.script() + stage.widget(), { clock: true })
    await expectFetchedInTime(page, 7)
    const wake = async () => {
      await page.evaluate((type) => document.dispatchEvent(new Event(type, { bubbles: true })), event)
      return stage.heard(page)
    }
    await expect.poll(wake, eventually).toEqual([['ann-token-8']])
    const [seventh = 0, eighth = 0] = (await fetchedAt(page)).slice(6)
    expect(eighth - seventh).toBeLessThan(15_000)
  })

  test('follow an answer that does not come within fifteen seconds', async () => {
    const never = new Promise<void>(() => {})
    stage.broker.script = faultAt({ after: never }, (count) => count === 1)
    const page = await stage.open(stage.script() + stage.widget(), { clock: true })
    await expectAsked(stage, 1)
    await expectFetchedInTime(page, 2)
    await expectHeard(stage, page, [['ann-token-2']])
    const [first = 0, second = 0] = await fetchedAt(page)
    expect(second - first).toBeGreaterThanOrEqual(15_000)
    expect(second - first).toBeLessThan(20_000)
  })
})

describe('A warning', () => {
  test.each<[string, Answer | 'no-cors']>([
    ['network', 'no-cors'],
    ['rate_limited', refusal(429, 'rate_limited')],
    ['session_missing', refusal(401, 'session_missing')],
    ['no_token', { body: { other: 'secret-token' } }],
  ])('says what to check once for each cause, without a token: %s', async (code, answer) => {
    stage.broker.script = () => answer
    const page = await stage.open('<body></body>', { clock: true })
    const warned = () => page.evaluate(() => warnings)
    await page.addScript({ src: `${stage.broker.origin}/bridge.js` })
    await expect.poll(async () => (await warned()).length, eventually).toBe(1)
    await page.evaluate(() => returningAI.refresh())
    // After two refusals in a row it waits.
    await page.evaluate(() => Promise.all([returningAI.refresh(), clock.runFor(5_000)]))
    const tokenUrl = `${stage.broker.origin}/widget-token`
    expect(await warned()).toEqual([expect.stringMatching(`^returning-ai: ${code} at ${tokenUrl}: .+`)])
    expect((await warned()).join()).not.toContain('secret-token')
  })
})
