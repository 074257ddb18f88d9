import type { Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { answerAs, refusal, type Answer, type Script } from './scripted-broker.ts'
import { startStage, type Stage } from './stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await startStage()
})
beforeEach(() => stage.reset())
afterAll(() => stage.close())

const html = '<html><body>login</body></html>'
const good: Script = answerAs('ann')
const hears = (page: Page, tokens: (string | undefined)[][]) =>
  expect.poll(() => stage.heard(page), { timeout: 5_000 }).toEqual(tokens)
const fetchedAt = (page: Page) => page.evaluate(() => fetched)
const seenErrors = (page: Page) =>
  page.evaluate(() => seen.filter(({ type }) => type === 'returning-ai:error').map(({ detail }) => detail))

/** First so many times the one answer, then the other. */
const thenGood =
  (answer: Answer | 'no-cors', times = 1): Script =>
  (request, count) =>
    count <= times ? answer : good(request, count)

/** Lets the page's time pass, in steps that leave answers the time to come, until it has asked so often. */
async function passTimeUntilFetched(page: Page, times: number, stepMs = 100): Promise<void> {
  const pass = async () => {
    await page.clock.runFor(stepMs)
    return (await fetchedAt(page)).length
  }
  await expect.poll(pass, { timeout: 15_000, interval: 10 }).toBeGreaterThanOrEqual(times)
}

const PASSING: [string, Answer | 'no-cors', string][] = [
  ['429 of the broker', refusal(429, 'rate_limited'), 'rate_limited'],
  ['503 of the broker', refusal(503, 'vendor_unavailable'), 'vendor_unavailable'],
  ['503 of a proxy', { status: 503, body: html }, 'http_503'],
  ['502 of a proxy', { status: 502, body: html }, 'http_502'],
  ['504 of a proxy that speaks JSON', { status: 504, body: { code: 504 } }, 'http_504'],
  ['500 of a proxy', { status: 500, body: '' }, 'http_500'],
  ['an answer that no page may read', 'no-cors', 'network'],
  ['an answer that is cut off', { body: '{"token":"half-a-tok' }, 'network'],
]

describe('a fault that passes', () => {
  test.each(PASSING)('is met with another try: %s', async (_name, answer) => {
    stage.broker.script = thenGood(answer)
    const page = await stage.open(stage.script() + stage.widget(), { clock: true })
    await passTimeUntilFetched(page, 2)
    await hears(page, [['ann-token-2']])
    const [first = 0, second = 0] = await fetchedAt(page)
    expect(second - first).toBeGreaterThanOrEqual(500)
    expect(second - first).toBeLessThan(1_500)
    expect(await seenErrors(page)).toEqual([])
  })

  test.each(PASSING.filter(([, , code]) => !code.startsWith('http_50')))(
    'is one warning that names its cause and no token: %s',
    async (_name, answer, code) => {
      stage.broker.script = thenGood(answer, 2)
      const page = await stage.open('<body></body>', { clock: true })
      const warnings: string[] = []
      page.on('console', (message) => void (message.type() === 'warning' && warnings.push(message.text())))
      await page.evaluate((head) => {
        document.head.append(document.createRange().createContextualFragment(head))
      }, stage.script())
      await passTimeUntilFetched(page, 3)
      expect(warnings).toEqual([
        expect.stringContaining(`returning-ai: ${code} at ${stage.broker.origin}/widget-token`),
      ])
      expect(warnings.join()).not.toMatch(/tok(?!en)|ann-/)
    },
  )

  test('waits longer each time, and says so once after five in a row', async () => {
    stage.broker.script = () => refusal(503, 'vendor_timeout')
    const page = await stage.open(stage.script(), { clock: true })
    await passTimeUntilFetched(page, 8, 1_000)
    const times = await fetchedAt(page)
    const waits = times.slice(1).map((time, index) => time - times[index]!)
    const bounds = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000]
    for (const [index, most] of bounds.entries()) {
      expect(waits[index]).toBeGreaterThanOrEqual(most / 2)
      expect(waits[index]).toBeLessThan(most + 1_500)
    }
    const { origin } = stage.broker
    const told = { tokenUrl: `${origin}/widget-token`, code: 'vendor_timeout', status: 503, retrying: true }
    expect(await seenErrors(page)).toEqual([told])
  })

  test('counts from one again after a success', async () => {
    const outage = (count: number) =>
      count <= 4 || (count > 5 && count <= 9) ? refusal(503, 'overloaded') : undefined
    stage.broker.script = (request, count) => outage(count) ?? good(request, count)
    const page = await stage.open(stage.script() + stage.widget(), { clock: true })
    await passTimeUntilFetched(page, 5, 1_000)
    await hears(page, [['ann-token-5']])
    await stage.widgets(page)[0]!.evaluate(() => ask())
    await passTimeUntilFetched(page, 10, 1_000)
    await hears(page, [['ann-token-5', 'ann-token-10']])
    expect(await seenErrors(page)).toEqual([])
    expect(
      stage.broker
        .asked()
        .slice(5)
        .map(({ headers }) => headers['cache-control']),
    ).toEqual(Array(5).fill('no-cache'))
  })

  test('is not met before Retry-After is over, whatever wakes the page', async () => {
    stage.broker.script = thenGood(refusal(503, 'shutting_down', { 'Retry-After': '5' }))
    const page = await stage.open(stage.script() + stage.widget(), { clock: true })
    await expect.poll(() => stage.broker.asked().length).toBe(1)
    await page.clock.runFor(4_000)
    await page.evaluate(() => dispatchEvent(new Event('online')))
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange', { bubbles: true })))
    await passTimeUntilFetched(page, 2)
    const [first = 0, second = 0] = await fetchedAt(page)
    expect(second - first).toBeGreaterThanOrEqual(5_000)
    expect(second - first).toBeLessThan(7_000)
  })

  test('is not made a storm by a Retry-After beyond all timers', async () => {
    stage.broker.script = () => refusal(429, 'rate_limited', { 'Retry-After': '99999999999' })
    const page = await stage.open(stage.script(), { clock: true })
    await expect.poll(() => stage.broker.asked().length).toBe(1)
    await page.clock.runFor(3_600_000)
    expect(await fetchedAt(page)).toHaveLength(1)
  })

  test.each([
    ['online', 'online'],
    ['visible', 'visibilitychange'],
  ])('is met at once when the tab is %s again', async (_state, event) => {
    stage.broker.script = (request, count) => (count <= 7 ? refusal(503, 'overloaded') : good(request, count))
    const page = await stage.open(stage.script() + stage.widget(), { clock: true })
    await passTimeUntilFetched(page, 7, 1_000)
    await expect
      .poll(async () => {
        await page.evaluate((type) => document.dispatchEvent(new Event(type, { bubbles: true })), event)
        return stage.heard(page)
      })
      .toEqual([['ann-token-8']])
    const [seventh = 0, eighth = 0] = (await fetchedAt(page)).slice(6)
    expect(eighth - seventh).toBeLessThan(10_000)
  })

  test('is also an answer that never comes, after fifteen seconds', async () => {
    const never = new Promise<void>(() => {})
    stage.broker.script = thenGood({ after: never })
    const page = await stage.open(stage.script() + stage.widget(), { clock: true })
    await expect.poll(() => stage.broker.asked().length).toBe(1)
    await passTimeUntilFetched(page, 2, 1_000)
    await hears(page, [['ann-token-2']])
    const [first = 0, second = 0] = await fetchedAt(page)
    expect(second - first).toBeGreaterThanOrEqual(15_000)
    expect(second - first).toBeLessThan(19_000)
  })
})

const LASTING: [string, Answer, object][] = [
  ['a foreign origin', refusal(403, 'origin_not_allowed'), { code: 'origin_not_allowed', status: 403 }],
  ['no usable email', refusal(403, 'identity_unusable'), { code: 'identity_unusable', status: 403 }],
  ['a path that is not there', { status: 404, body: html }, { code: 'http_404', status: 404 }],
  [
    'a refused key',
    refusal(500, 'vendor_rejected_credentials'),
    { code: 'vendor_rejected_credentials', status: 500 },
  ],
  ['a bug', refusal(500, 'internal'), { code: 'internal', status: 500 }],
  ['502 with a code', refusal(502, 'vendor_bad_response'), { code: 'vendor_bad_response', status: 502 }],
  [
    'a login page',
    { body: html, headers: { 'Content-Type': 'text/html' } },
    { code: 'no_token', status: 200 },
  ],
  ['a redirect to one', { status: 302, headers: { Location: '/login' } }, { code: 'no_token', status: 0 }],
  ['no content', { status: 204 }, { code: 'no_token', status: 204 }],
  ['JSON without a token', { body: { embedToken: 'x' } }, { code: 'no_token', status: 200 }],
  ['JSON null', { body: 'null' }, { code: 'no_token', status: 200 }],
  ['an empty token', { body: { token: '' } }, { code: 'no_token', status: 200 }],
  ['a token that is no string', { body: { token: ['x'] } }, { code: 'no_token', status: 200 }],
]

describe('a fault that lasts', () => {
  test.each(LASTING)('is told to the page and not tried again: %s', async (_name, answer, detail) => {
    stage.broker.script = thenGood(answer)
    const page = await stage.open(stage.script() + stage.widget(), { clock: true })
    const tokenUrl = `${stage.broker.origin}/widget-token`
    await expect.poll(() => seenErrors(page)).toEqual([{ tokenUrl, retrying: false, ...detail }])
    await stage.widgets(page)[0]!.evaluate(() => ask())
    await page.evaluate(() => dispatchEvent(new Event('online')))
    await page.clock.runFor(600_000)
    expect(await fetchedAt(page)).toHaveLength(1)
    expect(await stage.heard(page)).toEqual([[]])
  })

  test('is over with refresh()', async () => {
    stage.broker.script = thenGood(refusal(500, 'internal'))
    const page = await stage.open(stage.script() + stage.widget())
    await expect.poll(() => seenErrors(page)).toHaveLength(1)
    expect(await page.evaluate(() => returningAI.refresh())).toBe(true)
    await hears(page, [['ann-token-2']])
  })
})
