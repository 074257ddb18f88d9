import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually, expectAsked, expectFetchedInTime, expectHeard } from './expect.ts'
import { answerAs, heldBack, startScriptedBroker, type Script } from './scripted-broker.ts'
import { startStage, type Stage } from './stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await startStage()
})
beforeEach(() => stage.reset())
afterAll(() => stage.close())

/** As the broker reuses a token until it is asked for a new one. */
const sameUntilRenewed: Script = ({ headers }) => {
  const token = headers['cache-control'] ? 'renewed' : 'same'
  return { body: { token, expiresIn: 287, subject: 'ann' } }
}

describe('The first token', () => {
  test('reaches a widget of the page with one plain POST', async () => {
    const page = await stage.open(stage.script() + stage.widget())
    await expectHeard(stage, page, [['ann-token-1']])
    const [request, ...others] = stage.broker.asked()
    expect(others).toEqual([])
    expect(request).toMatchObject({ method: 'POST', path: '/widget-token' })
    expect(request?.headers).not.toHaveProperty('cache-control')
    expect(request?.headers).not.toHaveProperty('content-type')
  })

  test('is requested before there is a widget, and waits for one that is added later', async () => {
    const page = await stage.open(stage.script())
    await expectAsked(stage, 1)
    await page.append(stage.widget())
    await expectHeard(stage, page, [['ann-token-1']])
    await expectAsked(stage, 1)
  })

  test('is requested once, however many widgets need it', async () => {
    const ids = ['w1', 'w2', 'w3', 'w4', 'w5']
    const page = await stage.open(stage.script() + ids.map((id) => stage.widget(id)).join(''))
    await expectHeard(
      stage,
      page,
      ids.map(() => ['ann-token-1']),
    )
    await expectAsked(stage, 1)
  })

  test('reaches a widget that uses the older request type', async () => {
    const page = await stage.open(stage.script() + stage.widget('w1?silent'))
    await (await stage.frame(page)).evaluate(() => ask({ type: 'RETURNINGAI_WIDGET_TOKEN' }))
    await expectHeard(stage, page, [['ann-token-1']])
  })

  test.each(['open', 'closed'] as const)('reaches a widget in a shadow root that is %s', async (mode) => {
    const root = `<div><template shadowrootmode="${mode}">${stage.widget()}</template></div>`
    await expectHeard(stage, await stage.open(stage.script() + root), [['ann-token-1']])
  })

  test('reaches the element, which creates the iframe for its type and id', async () => {
    const page = await stage.open(
      `${stage.script()}<returning-ai-widget type="store-widget" widget-id="65a=" title="Shop" height="300"></returning-ai-widget>`,
    )
    await expectHeard(stage, page, [['ann-token-1']])
    const attributes = await page.evaluate(() => {
      const frame = document.querySelector('returning-ai-widget')!.shadowRoot!.querySelector('iframe')!
      return Object.fromEntries([...frame.attributes].map(({ name, value }) => [name, value]))
    })
    expect(attributes).toEqual({
      src: `${stage.vendor.origin}/store-widget/65a=`,
      title: 'Shop',
      height: '300',
      width: '100%',
      allow: 'clipboard-write',
    })
  })

  test('is requested with the broker’s cookies', async () => {
    const site = stage.newSite()
    const sameSite = await startScriptedBroker(`widgets.${site}`)
    const signIn = `<script>document.cookie = 'sid=ann; domain=${site}'</script>`
    await stage.open(`${signIn}<script src="${sameSite.origin}/bridge.js"></script>`, { site })
    await expect.poll(() => sameSite.asked()[0]?.headers.cookie, eventually).toBe('sid=ann')
    await sameSite.close()
  })
})

describe('A further request of the same widget', () => {
  test('gets another, newly minted token', async () => {
    const page = await stage.open(stage.script() + stage.widget())
    await expectHeard(stage, page, [['ann-token-1']])
    await stage.ask(page)
    await expectHeard(stage, page, [['ann-token-1', 'ann-token-2']])
    expect(stage.broker.asked()[1]?.headers).toMatchObject({ 'cache-control': 'no-cache' })
    expect(stage.broker.asked().map(({ method }) => method)).toEqual(['POST', 'POST'])
  })

  test('gets another token even if the new one equals the old one', async () => {
    stage.broker.script = () => ({ body: { token: 'equal-token', expiresIn: 287, subject: 'ann' } })
    const page = await stage.open(stage.script() + stage.widget())
    await expectHeard(stage, page, [['equal-token']])
    await stage.ask(page)
    await expectHeard(stage, page, [['equal-token', 'equal-token']])
    await expectAsked(stage, 2)
  })

  test('costs one request for all widgets that ask at that moment', async () => {
    const page = await stage.open(stage.script() + stage.widget('w1') + stage.widget('w2'))
    await expectHeard(stage, page, [['ann-token-1'], ['ann-token-1']])
    await Promise.all([stage.ask(page, 'w1'), stage.ask(page, 'w2'), stage.ask(page, 'w1')])
    const both = ['ann-token-1', 'ann-token-2']
    await expectHeard(stage, page, [both, both])
    await expectAsked(stage, 2)
  })

  test('gets the new token that another widget has already requested', async () => {
    const page = await stage.open(stage.script() + stage.widget('w1') + stage.widget('w2'))
    await expectHeard(stage, page, [['ann-token-1'], ['ann-token-1']])
    await stage.ask(page, 'w1')
    await expectHeard(stage, page, [['ann-token-1', 'ann-token-2'], ['ann-token-1']])
    await stage.ask(page, 'w2')
    const both = ['ann-token-1', 'ann-token-2']
    await expectHeard(stage, page, [both, both])
    await expectAsked(stage, 2)
  })

  test('is not sent before the first one is answered', async () => {
    const late = heldBack(answerAs('ann'))
    stage.broker.script = late.script
    const page = await stage.open(stage.script() + stage.widget())
    await stage.ask(page)
    await stage.ask(page)
    late.letGo()
    await expectHeard(stage, page, [['ann-token-1']])
    await expectAsked(stage, 1)
  })

  test('costs one request, however often the widget asks within a second', async () => {
    const late = heldBack(answerAs('ann'))
    stage.broker.script = late.script
    const page = await stage.open(stage.script() + stage.widget('w1?silent'))
    const widget = await stage.frame(page)
    const askOften = () =>
      widget.evaluate(async () => void (await Promise.all(Array.from({ length: 200 }, () => ask()))))
    await askOften()
    await expectAsked(stage, 1)
    late.letGo()
    await expectHeard(stage, page, [['ann-token-1']])
    await askOften()
    await expectHeard(stage, page, [['ann-token-1', 'ann-token-2']])
    await expectAsked(stage, 2)
  })

  test('is not lost if it arrives while the broker confirms the token for another widget', async () => {
    stage.broker.script = sameUntilRenewed
    const page = await stage.open(stage.script() + stage.widget('w1'), { clock: true })
    await expectHeard(stage, page, [['same']])
    const late = heldBack(sameUntilRenewed)
    stage.broker.script = late.script
    await page.clock.runFor(61_000)
    await page.append(stage.widget('w2'))
    await expectAsked(stage, 2)
    await stage.ask(page)
    stage.broker.script = sameUntilRenewed
    late.letGo()
    await expectHeard(stage, page, [['same'], ['same']])
    await page.clock.runFor(1_000)
    await expectHeard(stage, page, [['same', 'renewed'], ['same']])
    await expectAsked(stage, 3)
  })

  test('waits until ten seconds have passed since the last renewal', async () => {
    const page = await stage.open(stage.script() + stage.widget(), { clock: true })
    await expectHeard(stage, page, [['ann-token-1']])
    await stage.ask(page)
    // No further: the request has to leave by this time, however late the lock is granted.
    await page.clock.runFor(250)
    await expectHeard(stage, page, [['ann-token-1', 'ann-token-2']])
    await stage.ask(page)
    await expectFetchedInTime(page, 3)
    const [, second = 0, third = 0] = await page.evaluate(() => fetched)
    expect(third - second).toBeGreaterThanOrEqual(10_000)
    expect(third - second).toBeLessThan(12_000)
  })

  test('is not answered after three renewals in a row, and the page is told', async () => {
    const page = await stage.open(stage.script() + stage.widget(), { clock: true })
    await expectHeard(stage, page, [['ann-token-1']])
    for (const times of [2, 3, 4]) {
      await stage.ask(page)
      await expectFetchedInTime(page, times)
      await expect.poll(async () => (await stage.heard(page))[0]?.length, eventually).toBe(times)
    }
    await stage.ask(page)
    await page.clock.runFor(10_000)
    const last = await page.evaluate(() => seen.at(-1))
    expect(last).toMatchObject({
      type: 'returning-ai:error',
      detail: { code: 'token_refused', retrying: false },
    })
    await stage.ask(page)
    await page.clock.runFor(120_000)
    await expectHeard(stage, page, [['ann-token-1', 'ann-token-2', 'ann-token-3', 'ann-token-4']])
    await expectAsked(stage, 4)
  })

  test('is answered any number of times if each token has lasted ten seconds', async () => {
    const page = await stage.open(stage.script() + stage.widget(), { clock: true })
    await expectHeard(stage, page, [['ann-token-1']])
    for (const times of [2, 3, 4, 5, 6]) {
      await page.clock.runFor(11_000)
      await stage.ask(page)
      await page.clock.runFor(1_000)
      await expect.poll(async () => (await stage.heard(page))[0]?.length, eventually).toBe(times)
    }
    await expectAsked(stage, 6)
  })
})

describe('The token URL', () => {
  test('is the script’s own, if it has one, resolved against the page', async () => {
    stage.broker.script = ({ path }) => ({ body: { token: `token-of-${path}`, subject: 'ann' } })
    const own = `data-token-url="${stage.broker.origin}/elsewhere?x=1"`
    await expectHeard(stage, await stage.open(stage.script(own) + stage.widget()), [
      ['token-of-/elsewhere?x=1'],
    ])
    await stage.open(stage.script('data-token-url="api/token"'))
    const posts = () => stage.customer.requests.filter(({ method }) => method === 'POST')
    await expect.poll(posts, eventually).toMatchObject([{ path: '/api/token' }])
  })

  test('can be a widget’s own, because tokens are kept for each token URL', async () => {
    stage.broker.script = ({ path }, count) => ({ body: { token: `${path}-${count}`, subject: 'ann' } })
    const own = `data-token-url="${stage.broker.origin}/widget-token?widget=store-widget"`
    const element = `<returning-ai-widget type="t" widget-id="w3" ${own}></returning-ai-widget>`
    const html = stage.script() + stage.widget('w1') + stage.widget('w2', own) + element
    const page = await stage.open(html)
    const storeToken = '/widget-token?widget=store-widget-2'
    await expectHeard(stage, page, [['/widget-token-1'], [storeToken], [storeToken]])
    await expectAsked(stage, 2)
  })
})

describe('An old token', () => {
  test('is confirmed by the broker before another widget gets it', async () => {
    const page = await stage.open(stage.script(), { clock: true })
    await expect.poll(() => page.evaluate(() => seen.length), eventually).toBe(1)
    await page.clock.runFor(61_000)
    await page.append(stage.widget())
    await expectHeard(stage, page, [['ann-token-2']])
    expect(stage.broker.asked()[1]?.headers).not.toHaveProperty('cache-control')
  })

  test('is not handed out after its expiry, nor after the clock was set back', async () => {
    stage.broker.script = (_request, count) => ({
      body: { token: `short-${count}`, expiresIn: 5, subject: 'ann' },
    })
    const page = await stage.open(stage.script(), { clock: true })
    await expect.poll(() => page.evaluate(() => seen.length), eventually).toBe(1)
    await page.clock.setSystemTime(-3_600_000)
    await page.append(stage.widget())
    await expectHeard(stage, page, [['short-2']])
  })

  test('that is valid for months stays in storage, although no browser timer counts that far', async () => {
    stage.broker.script = () => ({ body: { token: 'lasting', expiresIn: 4_000_000, subject: 'ann' } })
    const page = await stage.open(stage.script(), { clock: true })
    await expect.poll(() => page.evaluate(() => seen.length), eventually).toBe(1)
    await page.clock.runFor(60_000)
    expect(await page.evaluate(() => localStorage.getItem('returning-ai-widget-token'))).toBe('lasting')
  })

  test('that has already expired is handed out once, and causes no storm of requests', async () => {
    stage.broker.script = (_request, count) => ({
      body: { token: `dead-${count}`, expiresIn: 0, subject: 'ann' },
    })
    const page = await stage.open(stage.script() + stage.widget('w1') + stage.widget('w2'))
    await expect
      .poll(async () => (await stage.heard(page)).map(({ length }) => length), eventually)
      .toEqual([1, 1])
    expect(stage.broker.asked().length).toBeLessThanOrEqual(2)
  })
})
