import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually, expectFetchedInTime } from './expect.ts'
import type { Page } from './page.ts'
import { answerAs, refusal, type Answer, type Script } from './scripted-broker.ts'
import { startStage, type Stage } from './stage.ts'

const html = '<html><body>login</body></html>'

// One page for all rows. Only the rows move its time, and each starts with a new request.
let stage: Stage
let page: Page
beforeAll(async () => {
  stage = await startStage()
  page = await stage.open(stage.script() + stage.widget('w1?silent'), { clock: true })
})
beforeEach(async () => {
  stage.broker.script = (_request, count) => ({ body: { token: `before-${count}`, subject: 'ann' } })
  await page.evaluate(() => returningAI.refresh())
  await (await stage.frame(page)).evaluate(() => void (received.length = 0))
  await page.evaluate(() => {
    fetched.length = 0
    seen.length = 0
  })
  stage.broker.reset()
})
afterAll(() => stage.close())

/** The row's tokens. One from before the row may reach the widget late. */
const tokens = async () => (await stage.heard(page)).flat().filter((token) => !token?.startsWith('before'))
const fetchedAt = () => page.evaluate(() => fetched)
const errors = () =>
  page.evaluate(() => seen.filter(({ type }) => type === 'returning-ai:error').map(({ detail }) => detail))

/** First the one answer, then a token. */
const thenGood =
  (answer: Answer | 'no-cors'): Script =>
  (request, count) =>
    count === 1 ? answer : answerAs('ann')(request, count)

const PASSING: [string, Answer | 'no-cors'][] = [
  ['429 of the broker', refusal(429, 'rate_limited')],
  ['503 of the broker', refusal(503, 'vendor_unavailable')],
  ['503 of a proxy', { status: 503, body: html }],
  ['502 of a proxy', { status: 502, body: html }],
  ['504 of a proxy that speaks JSON', { status: 504, body: { code: 504 } }],
  ['500 of a proxy', { status: 500, body: '' }],
  ['an answer that no page may read', 'no-cors'],
  ['an answer that is cut off', { body: '{"token":"half-a-tok' }],
]

const requestIdOf = (answer: Answer | 'no-cors') => {
  const requestId = Object(answer).headers?.['X-Request-Id']
  return requestId ? { requestId } : {}
}

describe('A temporary fault', () => {
  test.each(PASSING)('is followed by a retry: %s', async (_name, answer) => {
    stage.broker.script = thenGood(answer)
    expect(await page.evaluate(() => returningAI.refresh())).toBe(false)
    await stage.ask(page)
    await expectFetchedInTime(page, 2, 100)
    await expect.poll(tokens, eventually).toEqual(['ann-token-2'])
    const [first = 0, second = 0] = await fetchedAt()
    expect(second - first).toBeGreaterThanOrEqual(500)
    expect(second - first).toBeLessThan(2_500)
    expect(await errors()).toMatchObject([{ retrying: true, ...requestIdOf(answer) }])
  })
})

const requestId = 'request-1'
const LASTING: [string, Answer, object][] = [
  ['a foreign origin', refusal(403, 'origin_not_allowed'), { code: 'origin_not_allowed', requestId }],
  ['no usable email', refusal(403, 'identity_unusable'), { code: 'identity_unusable', status: 403 }],
  ['a path that is not there', { status: 404, body: html }, { code: 'http_404', status: 404 }],
  ['a refused key', refusal(500, 'vendor_rejected_credentials'), { code: 'vendor_rejected_credentials' }],
  ['a bug', refusal(500, 'internal'), { code: 'internal', status: 500, requestId }],
  ['502 with a code', refusal(502, 'vendor_bad_response'), { code: 'vendor_bad_response', status: 502 }],
  ['a login page', { body: html }, { code: 'no_token', status: 200 }],
  ['a redirect to one', { status: 302, headers: { Location: '/login' } }, { code: 'no_token', status: 0 }],
  ['no content', { status: 204 }, { code: 'no_token', status: 204 }],
  ['JSON without a token', { body: { embedToken: 'x' } }, { code: 'no_token', status: 200 }],
  ['JSON null', { body: 'null' }, { code: 'no_token', status: 200 }],
  ['an empty token', { body: { token: '' } }, { code: 'no_token', status: 200 }],
  ['a token that is no string', { body: { token: ['x'] } }, { code: 'no_token', status: 200 }],
]

describe('A permanent fault', () => {
  test.each(LASTING)('is reported to the page and not retried: %s', async (_name, answer, detail) => {
    stage.broker.script = thenGood(answer)
    expect(await page.evaluate(() => returningAI.refresh())).toBe(false)
    const tokenUrl = `${stage.broker.origin}/widget-token`
    await expect.poll(errors, eventually).toMatchObject([{ tokenUrl, retrying: false, ...detail }])
    await stage.ask(page)
    const { status = 0 } = answer
    // A service worker answers with the app's own page while it is offline: see the tests of waking up.
    if (status >= 400) await page.evaluate(() => dispatchEvent(new Event('online')))
    await page.clock.runFor(status >= 500 ? 59_000 : 600_000)
    expect(await fetchedAt()).toHaveLength(1)
    expect(await tokens()).toEqual([])
  })

  test('is tried again when the browser is online again if the answer was not a token, such as a service worker’s page', async () => {
    stage.broker.script = thenGood({ body: html })
    expect(await page.evaluate(() => returningAI.refresh())).toBe(false)
    await page.evaluate(() => dispatchEvent(new Event('online')))
    await expect.poll(async () => (await fetchedAt()).length, eventually).toBe(2)
  })

  test('of the broker is tried again after a minute', async () => {
    stage.broker.script = thenGood(refusal(500, 'internal'))
    expect(await page.evaluate(() => returningAI.refresh())).toBe(false)
    await stage.ask(page)
    await page.clock.runFor(61_000)
    await expect.poll(tokens, eventually).toEqual(['ann-token-2'])
  })

  test('is tried again when a widget asks half a minute later', async () => {
    stage.broker.script = thenGood(refusal(403, 'email_unverified'))
    expect(await page.evaluate(() => returningAI.refresh())).toBe(false)
    await page.clock.runFor(31_000)
    await stage.ask(page)
    await expect.poll(tokens, eventually).toEqual(['ann-token-2'])
  })

  test('ends when the page calls refresh()', async () => {
    stage.broker.script = thenGood(refusal(500, 'internal'))
    expect(await page.evaluate(() => returningAI.refresh())).toBe(false)
    await stage.ask(page)
    expect(await page.evaluate(() => returningAI.refresh())).toBe(true)
    await expect.poll(tokens, eventually).toEqual(['ann-token-2'])
  })
})
