import fc from 'fast-check'
import type { Frame, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from './expect.ts'
import { answerAs, heldBack } from './scripted-broker.ts'
import { startStage, type Stage } from './stage.ts'

const REQUEST = 'RETURNINGAI_WIDGET_REQUEST_TOKEN'
const TOKEN = 'RETURNINGAI_WIDGET_TOKEN'

let stage: Stage
beforeAll(async () => {
  stage = await startStage()
})
beforeEach(() => stage.reset())
afterAll(() => stage.close())

/**
 * Messages are handled in order: once a good widget that asks last has its answer, all before it were judged.
 * Resolves when it has.
 */
async function allJudged(page: Page): Promise<void> {
  const good = page.locator('#good').contentFrame()
  await good.locator('html').evaluate(() => ask())
  await expect.poll(() => good.locator('html').evaluate(() => received.length), eventually).toBeGreaterThan(0)
}

const goodWidget = () => stage.widget('good?silent', 'id="good"')
const hears = (frame: Frame | Page) => frame.evaluate(() => received)

describe('a request that is not a widget’s', () => {
  test('of a foreign origin gets nothing', async () => {
    const html = `<iframe id="bad" src="${stage.stranger.origin}/"></iframe>${goodWidget()}`
    const page = await stage.open(stage.script() + html)
    await allJudged(page)
    expect(await hears(page.frames()[1]!)).toEqual([])
    expect(stage.broker.asked()).toHaveLength(1)
  })

  test('of a sandboxed frame, whose origin is null, gets nothing', async () => {
    const html = stage.widget('bad', 'sandbox="allow-scripts"') + goodWidget()
    const page = await stage.open(stage.script() + html)
    await allJudged(page)
    expect(await hears(page.frames()[1]!)).toEqual([])
  })

  test('of a nested frame of the right origin gets nothing', async () => {
    const nested = `<iframe srcdoc='${stage.widget('bad?silent')}'></iframe>`
    const page = await stage.open(stage.script() + nested + goodWidget())
    const bad = stage.widgets(page).find((frame) => frame.url().includes('bad'))!
    await bad.evaluate((type) => ask({ type }, top as Window), REQUEST)
    await allJudged(page)
    expect(await hears(bad)).toEqual([])
  })

  test('of a popup of the right origin gets nothing', async () => {
    const page = await stage.open(stage.script() + goodWidget())
    const opened = page.waitForEvent('popup')
    await page.evaluate((url) => void window.open(url), `${stage.vendor.origin}/channel-widget/bad?silent`)
    const popup = await opened
    await popup.evaluate((type) => ask({ type }, opener as Window), REQUEST)
    await allJudged(page)
    expect(await hears(popup)).toEqual([])
  })

  test('of another port, or of an origin that only begins like the vendor’s, gets nothing', async () => {
    const longer = stage.vendor.origin.replace('vendor.invalid', 'vendor.invalid.stranger.test')
    const otherPort = stage.stranger.origin.replace('stranger.test', 'vendor.invalid')
    const html = [longer, otherPort].map((origin) => `<iframe src="${origin}/"></iframe>`).join('')
    const page = await stage.open(stage.script() + html + goodWidget())
    await allJudged(page)
    expect(await Promise.all(page.frames().slice(1, 3).map(hears))).toEqual([[], []])
  })
})

const WRONG: [string, unknown][] = [
  ['null', null],
  ['a number', 1],
  ['a string', REQUEST],
  ['an array', [REQUEST]],
  ['an empty object', {}],
  ['another type', { type: `${REQUEST} ` }],
  ['a type in an array', { type: [REQUEST] }],
  ['a type that is nested', { data: { type: REQUEST } }],
  ['an answer', { type: TOKEN, value: 'x' }],
  ['an answer without content', { type: TOKEN, value: undefined }],
  ['the vendor SDK’s own message', { type: TOKEN, token: 'x', widgetId: 'w' }],
  ['the vendor SDK’s refresh', { type: 'RETURNINGAI_WIDGET_REFRESH', token: 'x' }],
  ['a megabyte', { type: 'x'.repeat(1_000_000) }],
]

describe('a message of a widget that is no request', () => {
  test('gets nothing, whatever its shape', async () => {
    const page = await stage.open(stage.script() + stage.widget('bad?silent') + goodWidget())
    const [bad] = stage.widgets(page)
    const answered: string[] = []
    for (const [name, message] of WRONG) {
      await bad!.evaluate((data) => ask(data), message)
      const heard = await hears(bad!)
      if (heard.length > 0) answered.push(name)
    }
    expect(answered).toEqual([])
    await allJudged(page)
    expect(await hears(bad!)).toEqual([])
    expect(stage.broker.asked()).toHaveLength(1)
  })
})

describe('what a message says', () => {
  test('chooses no address, method, header or user', async () => {
    const page = await stage.open(stage.script() + stage.widget('w?silent'))
    const message = {
      type: REQUEST,
      url: 'http://stranger.test/',
      tokenUrl: 'http://stranger.test/',
      method: 'DELETE',
      email: 'eve@example.com',
      ['__proto__']: { tokenUrl: 'http://stranger.test/' },
    }
    const [widget] = stage.widgets(page)
    await widget!.evaluate((data) => ask(data), message)
    await expect.poll(() => hears(widget!), eventually).toEqual([{ type: TOKEN, value: 'ann-token-1' }])
    await widget!.evaluate((data) => ask(data), message)
    await expect.poll(() => hears(widget!).then(({ length }) => length), eventually).toBe(2)
    const [first, second] = stage.broker.asked()
    const { 'cache-control': _cache, pragma: _pragma, ...others } = second!.headers
    expect(others).toEqual(first!.headers)
    expect([first, second].map((request) => `${request?.method} ${request?.path}`)).toEqual(
      Array(2).fill('POST /widget-token'),
    )
  })

  test('causes neither an answer nor a request, whatever it is, unless it is a request', async () => {
    const page = await stage.open(stage.script() + stage.widget('w?silent') + goodWidget())
    const [fuzzed] = stage.widgets(page)
    await allJudged(page)
    const key = fc.constantFrom('type', 'value', 'token', 'data', 'url')
    const anyType = fc.oneof(fc.constantFrom(REQUEST, TOKEN, REQUEST.toLowerCase(), ''), fc.jsonValue())
    const message: fc.Arbitrary<unknown> = fc.oneof(fc.jsonValue(), fc.dictionary(key, anyType))
    const isRequest = (data: unknown) => {
      const { type, ...rest } = Object(data) as Record<string, unknown>
      return type === REQUEST || (type === TOKEN && !('value' in rest) && !('token' in rest))
    }
    const messages = fc.array(
      message.filter((data) => !isRequest(data)),
      { minLength: 50, maxLength: 100 },
    )
    await fc.assert(
      fc.asyncProperty(messages, async (batch) => {
        await fuzzed!.evaluate((all) => all.forEach((data) => ask(data)), batch)
        const heard = await fuzzed!.evaluate(
          () => new Promise((resolve) => setTimeout(() => resolve(received.length))),
        )
        return heard === 0 && stage.broker.asked().length === 1
      }),
      { numRuns: 20 },
    )
    await allJudged(page)
    expect(await hears(fuzzed!)).toEqual([])
  })
})

describe('an answer', () => {
  test('is lost, not delivered, where the widget has gone to another site meanwhile', async () => {
    const late = heldBack(answerAs('ann'))
    stage.broker.script = late.script
    const page = await stage.open(
      stage.script() + stage.widget('bad', 'id="bad"') + stage.widget('good', 'id="good"'),
    )
    await expect.poll(() => stage.broker.asked().length, eventually).toBe(1)
    const bad = page.locator('#bad').contentFrame().locator('html')
    await bad.evaluate((_html, url) => location.assign(url), `${stage.stranger.origin}/?silent`)
    await expect
      .poll(() => page.frames().some((frame) => frame.url().startsWith(stage.stranger.origin)))
      .toBe(true)
    late.letGo()
    const good = page.locator('#good').contentFrame().locator('html')
    await expect.poll(() => good.evaluate(() => received.length), eventually).toBe(1)
    expect(await bad.evaluate(() => received)).toEqual([])
  })

  test('goes to the one widget that asked', async () => {
    const page = await stage.open(stage.script() + stage.widget('w?silent') + goodWidget())
    await allJudged(page)
    expect(await hears(stage.widgets(page)[0]!)).toEqual([])
  })
})
