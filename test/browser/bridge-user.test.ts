import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually, expectAsked, expectFetched, expectHeard, expectSeen } from './expect.ts'
import type { Page } from './page.ts'
import { answerAs, heldBack, refusal, type Script } from './scripted-broker.ts'
import { startStage, type Stage } from './stage.ts'

const KEY = 'returning-ai-widget-token'

let stage: Stage
beforeAll(async () => {
  stage = await startStage()
})
beforeEach(() => stage.reset())
afterAll(() => stage.close())

const down: Script = () => 'cut'
const signedOut: Script = () => refusal(401, 'session_missing')
const stored = (page: Page) => page.evaluate((key) => localStorage.getItem(key), KEY)

const returnFromCache = () => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))

describe('Another user in the same browser', () => {
  test('gets new widgets and tokens, and no history entry', async () => {
    const page = await stage.open(stage.script() + stage.widget('w1') + stage.widget('w2'))
    await expectHeard(stage, page, [['ann-token-1'], ['ann-token-1']])
    const entries = await page.evaluate(() => history.length)
    stage.broker.script = answerAs('bob')
    await stage.ask(page)
    await expectHeard(stage, page, [['bob-token-2'], ['bob-token-2']])
    expect(await stored(page)).toBe('bob-token-2')
    expect(await page.evaluate(() => history.length)).toBe(entries)
    await expectAsked(stage, 2)
  })

  test('never gets the previous user’s token from storage, even if the broker is down', async () => {
    const site = stage.newSite()
    const before = await stage.open(stage.script() + stage.widget(), { site })
    await expectHeard(stage, before, [['ann-token-1']])
    expect(await stored(before)).toBe('ann-token-1')
    stage.broker.script = down
    const page = await stage.open(stage.script() + stage.widget(), { site })
    await expectFetched(page, 1)
    await stage.ask(page)
    await expectFetched(page, 2)
    expect(await stage.heard(page)).toEqual([[]])
    expect(await stored(page)).toBeNull()
  })

  test.each([
    ['refresh()', (page: Page) => page.evaluate(() => returningAI.refresh())],
    ['a return from the back-forward cache', (page: Page) => page.evaluate(returnFromCache)],
  ])('gets nothing of the previous user after %s, even if the broker is down', async (_way, act) => {
    const page = await stage.open(stage.script() + stage.widget())
    await expectHeard(stage, page, [['ann-token-1']])
    stage.broker.script = down
    await act(page)
    await page.append(stage.widget('w2'))
    await expectFetched(page, 3)
    await expectHeard(stage, page, [['ann-token-1'], []])
    expect(await stored(page)).toBeNull()
    stage.broker.script = answerAs('bob')
    await page.evaluate(() => returningAI.refresh())
    await expect
      .poll(async () => (await stage.heard(page)).flat().every((token) => token?.startsWith('bob')))
      .toBe(true)
  })

  test('gets a token of their own after going back to the page, cached or not', async () => {
    const page = await stage.open(stage.script())
    await expect.poll(() => stored(page), eventually).toBe('ann-token-1')
    stage.broker.script = answerAs('bob')
    await page.goto(`${stage.stranger.origin}/?silent`)
    await page.evaluate(() => void setTimeout(() => history.back(), 100))
    // WebKit's driver waits for ever for what is evaluated while the page goes.
    await expectAsked(stage, 2)
    await expect.poll(() => stored(page), eventually).toBe('bob-token-2')
  })

  test('is noticed by the first token URL of the broker that answers', async () => {
    const page = await stage.open(stage.script() + stage.widget('w1'))
    await expectHeard(stage, page, [['ann-token-1']])
    stage.broker.script = answerAs('bob')
    const own = `data-token-url="${stage.broker.origin}/widget-token?widget=store-widget"`
    const html = stage.widget('w2', own)
    await page.append(html)
    const heard = async () => (await stage.heard(page)).flat()
    await expect.poll(heard, eventually).toEqual(expect.arrayContaining(['bob-token-2', 'bob-token-3']))
    expect(await heard()).toHaveLength(2)
  })

  test('is not assumed if two brokers name the user differently', async () => {
    stage.broker.script = ({ path }, count) => ({ body: { token: `${path}-${count}`, subject: path } })
    const own = `data-token-url="${stage.broker.origin}/other/widget-token"`
    const page = await stage.open(stage.script() + stage.widget('w1') + stage.widget('w2', own))
    await expectHeard(stage, page, [['/widget-token-1'], ['/other/widget-token-2']])
    await stage.ask(page, 'w1')
    await expectHeard(stage, page, [['/widget-token-1', '/widget-token-3'], ['/other/widget-token-2']])
  })

  test('is noticed by a refusal that names no user', async () => {
    const page = await stage.open(stage.script() + stage.widget())
    await expectHeard(stage, page, [['ann-token-1']])
    stage.broker.script = () => refusal(403, 'email_unverified')
    await stage.ask(page)
    await expectSeen(page, 'error', { code: 'email_unverified', status: 403, retrying: false })
    await expectHeard(stage, page, [[]])
    expect(await stored(page)).toBeNull()
  })

  test('finds a widget in a closed shadow root empty, without the previous user’s content', async () => {
    const root = `<div><template shadowrootmode="closed">${stage.widget()}</template></div>`
    const page = await stage.open(stage.script() + root)
    await expectHeard(stage, page, [['ann-token-1']])
    stage.broker.script = answerAs('bob')
    await stage.ask(page)
    await expect.poll(() => stage.heard(page), eventually).toEqual([])
  })
})

describe('A sign-out', () => {
  test('drops the token, reloads the widgets and requests nothing more', async () => {
    const page = await stage.open(stage.script() + stage.widget())
    await expectHeard(stage, page, [['ann-token-1']])
    await page.evaluate(() => returningAI.signOut())
    await expectHeard(stage, page, [[]])
    await expectSeen(page, 'signed-out', { reason: 'sign-out' })
    expect(await stored(page)).toBeNull()
    await stage.ask(page)
    await page.evaluate(() => dispatchEvent(new Event('online')))
    await expectAsked(stage, 1)
  })

  test('drops an answer that arrives after it', async () => {
    const late = heldBack(answerAs('ann'))
    stage.broker.script = late.script
    const page = await stage.open(stage.script() + stage.widget())
    await expectAsked(stage, 1)
    await page.evaluate(() => returningAI.signOut())
    late.letGo()
    stage.broker.script = answerAs('bob')
    expect(await page.evaluate(() => returningAI.refresh())).toBe(true)
    await expectHeard(stage, page, [['bob-token-2']])
    expect(await stored(page)).toBe('bob-token-2')
  })

  test('ends with refresh(), which serves the waiting widgets', async () => {
    const page = await stage.open(stage.script() + stage.widget())
    await expectHeard(stage, page, [['ann-token-1']])
    await page.evaluate(() => returningAI.signOut())
    await expectHeard(stage, page, [[]])
    stage.broker.script = answerAs('bob')
    expect(await page.evaluate(() => returningAI.refresh())).toBe(true)
    await expectHeard(stage, page, [['bob-token-2']])
  })
})

describe('A session that the broker refuses', () => {
  test('is reported to the page once and not requested again', async () => {
    stage.broker.script = signedOut
    const page = await stage.open(stage.script() + stage.widget(), { clock: true })
    await expectSeen(page, 'signed-out', {
      reason: 'session',
      code: 'session_missing',
      requestId: 'request-1',
    })
    await stage.ask(page)
    await page.clock.runFor(600_000)
    await page.evaluate(() => dispatchEvent(new Event('online')))
    await expectAsked(stage, 1)
    expect(await page.evaluate(() => seen.length)).toBe(1)
  })

  test('removes the previous user’s token from storage and widgets', async () => {
    const page = await stage.open(stage.script() + stage.widget())
    await expectHeard(stage, page, [['ann-token-1']])
    stage.broker.script = signedOut
    await stage.ask(page)
    await expectSeen(page, 'signed-out', { reason: 'session' })
    await expectHeard(stage, page, [[]])
    expect(await stored(page)).toBeNull()
    await expectAsked(stage, 2)
  })
})

describe('refresh()', () => {
  test('requests a newly minted token and aborts the request in progress', async () => {
    const late = heldBack(answerAs('ann'))
    stage.broker.script = late.script
    const page = await stage.open(stage.script() + stage.widget())
    await expectAsked(stage, 1)
    stage.broker.script = answerAs('bob')
    const [first, second] = await page.evaluate(() =>
      Promise.all([returningAI.refresh(), returningAI.refresh()]),
    )
    expect([first, second]).toEqual([true, true])
    await expect.poll(() => stage.broker.asked()[0]?.givenUp, eventually).toBe(true)
    late.letGo()
    expect(stage.broker.asked().at(-1)?.headers).toMatchObject({ 'cache-control': 'no-cache' })
    await expectHeard(stage, page, [[expect.stringMatching('^bob-')]])
  })

  test.each([
    ['the broker is down', down],
    ['there is no session', signedOut],
    ['the vendor rejects the key', () => refusal(500, 'vendor_rejected_credentials')],
  ])('resolves to false if %s', async (_case, script) => {
    const page = await stage.open(stage.script())
    stage.broker.script = script
    expect(await page.evaluate(() => returningAI.refresh())).toBe(false)
  })

  test('can be called from the page’s own handlers', async () => {
    stage.broker.script = signedOut
    const page = await stage.open('<body></body>')
    await page.evaluate(() => {
      document.addEventListener('returning-ai:signed-out', () => void returningAI.refresh(), { once: true })
    })
    await page.addScript({ src: `${stage.broker.origin}/bridge.js` })
    await expectAsked(stage, 2)
  })
})

describe('The storage', () => {
  test('holds the token where the guide puts it, but is never read', async () => {
    const spy = `<script>
      window.reads = []
      for (const name of ['getItem', 'key']) {
        const method = Storage.prototype[name]
        Storage.prototype[name] = function (...args) { reads.push(name); return method.apply(this, args) }
      }
    </script>`
    const page = await stage.open(spy + stage.script() + stage.widget())
    await expectHeard(stage, page, [['ann-token-1']])
    await stage.ask(page)
    await expectHeard(stage, page, [['ann-token-1', 'ann-token-2']])
    expect(await page.evaluate('reads')).toEqual([])
    expect(await stored(page)).toBe('ann-token-2')
  })

  test('holds nothing with data-storage="memory"', async () => {
    const page = await stage.open(stage.script('data-storage="memory"') + stage.widget())
    await expectHeard(stage, page, [['ann-token-1']])
    expect(await page.evaluate(() => localStorage.length)).toBe(0)
  })

  test('loses the token when it expires', async () => {
    const page = await stage.open(stage.script() + stage.widget(), { clock: true })
    await expectHeard(stage, page, [['ann-token-1']])
    await page.clock.runFor(286_000)
    expect(await stored(page)).toBe('ann-token-1')
    await page.clock.runFor(2_000)
    expect(await stored(page)).toBeNull()
  })

  test('can be blocked altogether', async () => {
    const block = `<script>
      Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('blocked', 'SecurityError') } })
    </script>`
    const page = await stage.open(block + stage.script() + stage.widget())
    await expectHeard(stage, page, [['ann-token-1']])
    await page.evaluate(() => returningAI.signOut())
    await expectHeard(stage, page, [[]])
  })
})
