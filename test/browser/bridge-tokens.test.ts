import type { Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { answerAs } from './scripted-broker.ts'
import { startStage, type Stage } from './stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await startStage()
})
beforeEach(() => stage.reset())
afterAll(() => stage.close())

const askAgain = (page: Page, index = 0) => stage.widgets(page)[index]!.evaluate(() => ask())
const hears = (page: Page, tokens: (string | undefined)[][]) =>
  expect.poll(() => stage.heard(page), { timeout: 5_000 }).toEqual(tokens)

describe('the first token', () => {
  test('reaches a widget that stands in the page, by one plain POST', async () => {
    const page = await stage.open(stage.script() + stage.widget())
    await hears(page, [['ann-token-1']])
    const [request, ...others] = stage.broker.asked()
    expect(others).toEqual([])
    expect(request).toMatchObject({ method: 'POST', path: '/widget-token' })
    expect(request?.headers).not.toHaveProperty('cache-control')
    expect(request?.headers).not.toHaveProperty('content-type')
  })

  test('is asked for before any widget is there, and waits for one that is added later', async () => {
    const page = await stage.open(stage.script())
    await expect.poll(() => stage.broker.asked().length).toBe(1)
    await page.evaluate((src) => {
      const frame = document.createElement('iframe')
      frame.src = src
      document.body.append(frame)
    }, `${stage.vendor.origin}/channel-widget/late`)
    await hears(page, [['ann-token-1']])
    expect(stage.broker.asked()).toHaveLength(1)
  })
})
