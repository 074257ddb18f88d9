import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { RemoteDocument } from './documents.ts'
import { eventually, expectAsked, expectWarned } from './expect.ts'
import type { Page } from './page.ts'
import { answerAs, heldBack } from './scripted-broker.ts'
import { startStage, type Stage } from './stage.ts'

const REQUEST = 'RETURNINGAI_WIDGET_REQUEST_TOKEN'
const TOKEN = 'RETURNINGAI_WIDGET_TOKEN'

let stage: Stage
let judged = 0
beforeAll(async () => {
  stage = await startStage()
})
beforeEach(() => stage.reset())
afterAll(() => stage.close())

const hears = (document: RemoteDocument) => document.evaluate(() => received)

/** Messages are judged in order: when a widget that comes last has its token, all before it were judged. */
async function allJudged(page: Page): Promise<void> {
  await page.append(stage.widget(`last-${++judged}`))
  const last = await stage.frame(page, `last-${judged}`)
  await expect.poll(() => last.evaluate(() => received.length), eventually).toBe(1)
}

/** Neither an answer, nor, though it asks again and again, a request for a new token. */
async function expectIgnored(page: Page, asker: RemoteDocument, to: 'parent' | 'top' | 'opener' = 'parent') {
  for (let round = 0; round < 2; round += 1) {
    await asker.evaluate((name) => ask(undefined, window[name] as Window), to)
    await allJudged(page)
  }
  expect(await hears(asker)).toEqual([])
  expect(stage.broker.asked()).toHaveLength(1)
}

describe('A message that is not from a widget of this page', () => {
  test('gets no token if its origin is foreign', async () => {
    const page = await stage.open(`${stage.script()}<iframe src="${stage.stranger.origin}/bad"></iframe>`)
    await expectIgnored(page, await stage.frame(page, 'bad'))
    // A customer who named the wrong origin sees why no widget gets a token.
    await expectWarned(page, 'origin')
  })

  test('gets no token if it is from a sandboxed frame, whose origin is null', async () => {
    const page = await stage.open(stage.script() + stage.widget('bad', 'sandbox="allow-scripts"'))
    await expectIgnored(page, await stage.frame(page, 'bad'))
  })

  test('gets no token if it is from a nested frame of the right origin', async () => {
    const nested = `<iframe srcdoc='${stage.widget('bad?silent')}'></iframe>`
    const page = await stage.open(stage.script() + nested)
    await expectIgnored(page, await stage.frame(page, 'bad'), 'top')
  })

  test('gets no token if it is from a popup of the right origin', async () => {
    const page = await stage.open(`${stage.script()}<body></body>`)
    await page.evaluate((url) => void window.open(url), `${stage.vendor.origin}/channel-widget/bad?silent`)
    const popup = await stage.frame(page, 'bad')
    await expectIgnored(page, popup, 'opener')
    await popup.evaluate(() => void setTimeout(close))
  })

  test('gets no token if its origin only starts like the vendor’s', async () => {
    const longer = stage.vendor.origin.replace('vendor.localhost', 'vendor.localhost.stranger.localhost')
    const page = await stage.open(`${stage.script()}<iframe src="${longer}/bad"></iframe>`)
    await expectIgnored(page, await stage.frame(page, 'bad'))
  })

  test('gets no token if it is from another port of the vendor’s host', async () => {
    const otherPort = stage.stranger.origin.replace('stranger.localhost', 'vendor.localhost')
    const page = await stage.open(`${stage.script()}<iframe src="${otherPort}/bad"></iframe>`)
    await expectIgnored(page, await stage.frame(page, 'bad'))
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
  ['the vendor SDK’s own message', { type: TOKEN, token: 'x', widgetId: 'w' }],
  ['the vendor SDK’s refresh', { type: 'RETURNINGAI_WIDGET_REFRESH', token: 'x' }],
  ['a megabyte', { type: 'x'.repeat(1_000_000) }],
]

describe('A message of a widget that is not a request', () => {
  test('gets no token, whatever its shape', async () => {
    const page = await stage.open(stage.script() + stage.widget('bad?silent'))
    const bad = await stage.frame(page, 'bad')
    const answered: string[] = []
    for (const [name, message] of WRONG) {
      await bad.evaluate((data) => ask(data), message)
      const heard = await hears(bad)
      if (heard.length > 0) answered.push(name)
    }
    expect(answered).toEqual([])
    // No JSON carries `undefined` into the widget.
    await bad.evaluate((type) => ask({ type, value: undefined }), TOKEN)
    await allJudged(page)
    expect(await hears(bad)).toEqual([])
    expect(stage.broker.asked()).toHaveLength(1)
  })
})

describe('The content of a message', () => {
  test('chooses neither the address, the method, a header nor the user', async () => {
    const page = await stage.open(stage.script() + stage.widget('w?silent'))
    const message = {
      type: REQUEST,
      url: 'http://stranger.localhost/',
      tokenUrl: 'http://stranger.localhost/',
      method: 'DELETE',
      email: 'eve@example.com',
      ['__proto__']: { tokenUrl: 'http://stranger.localhost/' },
    }
    const widget = await stage.frame(page, 'w')
    await widget.evaluate((data) => ask(data), message)
    await expect.poll(() => hears(widget), eventually).toEqual([{ type: TOKEN, value: 'ann-token-1' }])
    await widget.evaluate((data) => ask(data), message)
    await expect.poll(() => hears(widget).then(({ length }) => length), eventually).toBe(2)
    const [first, second] = stage.broker.asked()
    const { 'cache-control': _cache, pragma: _pragma, ...others } = second!.headers
    expect(others).toEqual(first!.headers)
    expect([first, second].map((request) => `${request?.method} ${request?.path}`)).toEqual(
      Array(2).fill('POST /widget-token'),
    )
  })

  test('causes neither an answer nor a request to the broker, unless it is a token request', async () => {
    const page = await stage.open(stage.script() + stage.widget('w?silent'))
    const fuzzed = await stage.frame(page, 'w')
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
        await fuzzed.evaluate((all) => Promise.all(all.map((data) => ask(data))), batch)
        const heard = await fuzzed.evaluate(
          () => new Promise((resolve) => setTimeout(() => resolve(received.length))),
        )
        return heard === 0 && stage.broker.asked().length === 1
      }),
      { numRuns: 20 },
    )
    await allJudged(page)
    expect(await hears(fuzzed)).toEqual([])
  })
})

describe('An answer', () => {
  test('is not delivered if the widget has navigated to another site', async () => {
    const late = heldBack(answerAs('ann'))
    stage.broker.script = late.script
    const page = await stage.open(stage.script() + stage.widget('leaves'))
    await expectAsked(stage, 1)
    const leaver = await stage.frame(page, 'leaves')
    await leaver.evaluate(
      (url) => void setTimeout(() => location.assign(url)),
      `${stage.stranger.origin}/gone?silent`,
    )
    const stranger = await stage.frame(page, 'gone')
    late.letGo()
    await allJudged(page)
    expect(await hears(stranger)).toEqual([])
  })

  test('goes to the one widget that asked', async () => {
    const page = await stage.open(stage.script() + stage.widget('w?silent'))
    await allJudged(page)
    expect(await hears(await stage.frame(page, 'w'))).toEqual([])
  })
})
