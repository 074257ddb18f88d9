import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually, expectAsked, expectHeard } from './expect.ts'
import { startStage, type Stage } from './stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await startStage()
})
beforeEach(() => stage.reset())
afterAll(() => stage.close())

describe('Several widget origins', () => {
  test('are each answered at their own', async () => {
    const { broker, vendor, stranger } = stage
    const script = `<script src="${broker.origin}/bridge.js" data-widget-origin="${vendor.origin} ${stranger.origin}"></script>`
    const branded = `<iframe title="Branded" src="${stranger.origin}/channel-widget/w2"></iframe>`
    const page = await stage.open(script + stage.widget('w1') + branded)
    await expectHeard(stage, page, [['ann-token-1']])
    const second = await stage.frame(page, 'w2')
    await expect
      .poll(() => second.evaluate(() => received.map(({ value }) => value)), eventually)
      .toEqual(['ann-token-1'])
    await expectAsked(stage, 1)
  })
})

describe('data-start="on-request"', () => {
  test('requests no token before a widget asks', async () => {
    const page = await stage.open(stage.widget('w1?silent') + stage.script('data-start="on-request"'))
    await (await stage.frame(page)).evaluate(() => true)
    expect(await page.evaluate(() => [fetched, returningAI.state])).toEqual([[], { status: 'pending' }])
    await page.append(stage.widget('w2'))
    // The first widget may have asked before the bridge was there.
    await expectHeard(stage, page, [['ann-token-1'], ['ann-token-1']])
    await expectAsked(stage, 1)
  })

  test('does not keep refresh() from requesting one', async () => {
    const page = await stage.open(stage.script('data-start="on-request"'))
    expect(await page.evaluate(() => returningAI.refresh())).toBe(true)
    await expectAsked(stage, 1)
  })
})

describe('A page in about:srcdoc', () => {
  test('has its token URL resolved against the page around it', async () => {
    const script = stage.script('data-token-url="api/token"').replaceAll('"', '&quot;')
    await stage.open(`<iframe title="Inner page" srcdoc="${script}"></iframe>`)
    const posts = () => stage.customer.requests.filter(({ path }) => path === '/api/token')
    await expect.poll(() => posts().map(({ method }) => method), eventually).toEqual(['POST'])
  })
})
