import { setTimeout as pass } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually, expectAsked, expectHeard, expectSeen, expectTokens } from './expect.ts'
import { answerAs, heldBack, refusal } from './scripted-broker.ts'
import { startStage, type Stage } from './stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await startStage()
})
beforeEach(() => stage.reset())
afterAll(() => stage.close())

const config = (headers: string) => `<script>window.returningAIConfig = { headers: ${headers} }</script>`

describe('A widget that asked before the bridge was there', () => {
  test.each(['async', 'defer', ''])(
    'gets the token unasked from a script with "%s" after it',
    async (how) => {
      const page = await stage.open(stage.widget('w1') + stage.script(how))
      await expectTokens(stage, page, [['ann-token-1']])
      await expectAsked(stage, 1)
    },
  )

  test('gets it from a script that is injected when the page is complete', async () => {
    const page = await stage.open(stage.widget('w1'))
    await page.addScript({
      src: `${stage.broker.origin}/bridge.js`,
      'data-widget-origin': stage.vendor.origin,
    })
    await expectTokens(stage, page, [['ann-token-1']])
  })

  test('gets the token of its own token URL', async () => {
    stage.broker.script = ({ path }) => ({ body: { token: `token-of-${path}`, subject: 'ann' } })
    const own = `data-token-url="${stage.broker.origin}/widget-token?widget=store-widget"`
    const page = await stage.open(stage.widget('w1', own) + stage.script('async'))
    await expectTokens(stage, page, [['token-of-/widget-token?widget=store-widget']])
  })

  test('gets no new token when it then asks for the first time', async () => {
    const page = await stage.open(stage.widget('w1?silent') + stage.script())
    await expectTokens(stage, page, [['ann-token-1']])
    await stage.ask(page)
    await expect.poll(async () => (await stage.heard(page))[0]!.length, eventually).toBeGreaterThan(1)
    await expectTokens(stage, page, [['ann-token-1']])
    await expectAsked(stage, 1)
  })

  test('gets nothing with data-token="off" or inside an element of the vendor’s', async () => {
    const off = stage.widget('w1?silent', 'data-token="off"')
    const vendors = `<rai-store-widget>${stage.widget('w2?silent')}</rai-store-widget>`
    const page = await stage.open(off + vendors + stage.widget('w3?silent') + stage.script())
    await expectTokens(stage, page, [[], [], ['ann-token-1']])
  })
})

describe('A frame’s load', () => {
  test.each(['reloads', 'is given another address'])(
    'is a new document, whose first question gets the token at hand, when it %s',
    async (how) => {
      const page = await stage.open(stage.script() + stage.widget('w1?silent'))
      await stage.ask(page)
      await expectHeard(stage, page, [['ann-token-1']])
      const first = await stage.frame(page)
      // Asked before the load event, a slow machine may take the question for one about a refused token.
      await page.evaluate(() => {
        const frame = document.querySelector('iframe')!
        Object.assign(window, { loaded: new Promise((resolve) => frame.addEventListener('load', resolve)) })
      })
      if (how === 'reloads') await first.evaluate(() => void setTimeout(() => location.reload()))
      else await page.evaluate(() => void (document.querySelector('iframe')!.src += '&again'))
      await page.evaluate('loaded.then(() => true)')
      await first.gone
      await stage.ask(page)
      await expectHeard(stage, page, [['ann-token-1']])
      await expectAsked(stage, 1)
    },
  )

  test('does not cause a loop if a widget reloads when its token is refused', async () => {
    const page = await stage.open(stage.script() + stage.widget('w1'))
    await expectHeard(stage, page, [['ann-token-1']])
    for (let round = 0; round < 2; round += 1) {
      const before = await stage.frame(page)
      await before.evaluate(() => void setTimeout(() => location.reload()))
      await before.gone
      await expect.poll(async () => (await stage.heard(page))[0]?.length, eventually).toBe(1)
    }
    // The third document is not handed the token that two have refused.
    await expectHeard(stage, page, [['ann-token-2']])
  })
})

describe('A widget that refuses every token', () => {
  test('is the only one that the bridge gives up on: another one still gets renewed tokens', async () => {
    const page = await stage.open(stage.script() + stage.widget('w1') + stage.widget('w2'), { clock: true })
    await expectHeard(stage, page, [['ann-token-1'], ['ann-token-1']])
    const [bad, good] = [await stage.frame(page, 'w1'), await stage.frame(page, 'w2')]
    for (let round = 0; round < 4; round += 1) {
      await stage.ask(page, 'w1')
      if (round < 3) {
        const times = round + 2
        const heard = async () => {
          await page.clock.runFor(1_000)
          return bad.evaluate(() => received.length)
        }
        await expect.poll(heard, { timeout: 15_000, interval: 20 }).toBe(times)
      }
    }
    await page.clock.runFor(10_000)
    await expectSeen(page, 'error', { code: 'token_refused', retrying: false })
    await stage.ask(page, 'w2')
    await expect.poll(() => good.evaluate(() => received.length), eventually).toBe(2)
    await page.clock.runFor(11_000)
    await stage.ask(page, 'w2')
    await page.clock.runFor(1_000)
    await expect.poll(() => good.evaluate(() => received.length), eventually).toBe(3)
    expect(await bad.evaluate(() => received.length)).toBe(4)
  })
})

describe('A refusal of one token URL', () => {
  test('does not affect the open request of another', async () => {
    const late = heldBack(answerAs('ann'))
    stage.broker.script = (request, count) =>
      request.path.includes('other') ? refusal(404, 'not_found') : late.script(request, count)
    const own = `data-token-url="${stage.broker.origin}/other"`
    const page = await stage.open(stage.script() + stage.widget('w1') + stage.widget('w2', own))
    await expectSeen(page, 'error', { code: 'not_found' })
    late.letGo()
    await expectHeard(stage, page, [['ann-token-1'], []])
  })
})

describe('A page that is prerendered', () => {
  test('requests nothing before it is shown, and then a token for the current user', async () => {
    const prerendering = `<script>
      let hidden = true
      Object.defineProperty(Document.prototype, 'prerendering', { get: () => hidden, configurable: true })
      window.activate = () => { hidden = false; document.dispatchEvent(new Event('prerenderingchange')) }
    </script>`
    const page = await stage.open(prerendering + stage.script() + stage.widget())
    await stage.ask(page)
    expect(await page.evaluate(() => fetched)).toEqual([])
    stage.broker.script = answerAs('bob')
    await page.evaluate('activate()')
    await expectHeard(stage, page, [['bob-token-1']])
  })
})

describe('A page with a polluted Object.prototype', () => {
  test('cannot choose the widget origin or the token URL', async () => {
    const { origin } = stage.stranger
    const pollute = `<script>
      Object.assign(Object.prototype, { widgetOrigin: '${origin}', tokenUrl: '${origin}/' })
    </script>`
    const page = await stage.open(pollute + stage.script() + stage.widget())
    await expectHeard(stage, page, [['ann-token-1']])
    expect(stage.stranger.requests).toEqual([])
  })
})

describe('An old browser', () => {
  test('is served without AbortSignal.timeout, BroadcastChannel and Web Locks', async () => {
    const remove = `<script>
      delete AbortSignal.timeout
      delete window.BroadcastChannel
      delete Navigator.prototype.locks
    </script>`
    const page = await stage.open(remove + stage.script() + stage.widget())
    await expectHeard(stage, page, [['ann-token-1']])
    await stage.ask(page)
    await expectHeard(stage, page, [['ann-token-1', 'ann-token-2']])
  })
})

describe('returningAI', () => {
  test('has a frozen state, and a promise of the first outcome', async () => {
    const page = await stage.open(stage.script())
    expect(await page.evaluate(() => returningAI.ready)).toEqual({ status: 'signed-in' })
    stage.broker.script = () => refusal(401, 'session_missing')
    await page.evaluate(() => returningAI.refresh())
    expect(await page.evaluate(() => returningAI.state)).toEqual({
      status: 'signed-out',
      code: 'session_missing',
    })
    expect(await page.evaluate(() => Object.isFrozen(returningAI.state))).toBe(true)
  })

  test('paces refresh() for a page that calls it at each sign-out', async () => {
    stage.broker.script = () => refusal(401, 'session_missing')
    const loop = `<script>
      document.addEventListener('returning-ai:signed-out', () => returningAI.refresh())
    </script>`
    await stage.open(loop + stage.script())
    await expectAsked(stage, 2)
    await pass(500)
    expect(stage.broker.asked().length).toBeLessThanOrEqual(3)
  })

  test('takes over quietly when the document is written again', async () => {
    const page = await stage.open(stage.script())
    await expectAsked(stage, 1)
    await page.evaluate(
      (html) => {
        document.open()
        document.write(html)
        document.close()
      },
      stage.observer + stage.script() + stage.widget(),
    )
    await expectHeard(stage, page, [['ann-token-1']])
  })
})

describe('A caller without a cookie', () => {
  test('has its headers called for each request, and only the allowed ones sent', async () => {
    const headers = `async () => ({ Authorization: 'Bearer ' + (window.calls = (window.calls ?? 0) + 1), 'X-Other': '1' })`
    const page = await stage.open(config(headers) + stage.script() + stage.widget())
    await expectHeard(stage, page, [[expect.stringMatching('ann')]])
    await page.evaluate(() => returningAI.refresh())
    const posts = stage.broker.asked().filter(({ method }) => method === 'POST')
    expect(posts.map((request) => request.headers.authorization)).toEqual(['Bearer 1', 'Bearer 2'])
    expect(posts[0]!.headers).not.toHaveProperty('x-other')
    expect(await page.evaluate(() => localStorage.length)).toBe(0)
  })

  test('is signed out by null, without a request', async () => {
    const page = await stage.open(config('() => null') + stage.script() + stage.widget())
    await expectSeen(page, 'signed-out', { reason: 'session' })
    await expectAsked(stage, 0)
  })

  test('is tried again after a rejection', async () => {
    const headers = `async () => { if (!window.once) { window.once = true; throw Error('no') } return {} }`
    const page = await stage.open(config(headers) + stage.script() + stage.widget())
    await expectHeard(stage, page, [['ann-token-1']])
    await expectSeen(page, 'error', { code: 'headers', retrying: true })
  })
})

describe('The element', () => {
  test('makes no iframe before type and id are set, and another one when the id changes', async () => {
    const page = await stage.open(`${stage.script()}<returning-ai-widget></returning-ai-widget>`)
    const addresses = () =>
      page.evaluate(() =>
        [...document.querySelector('returning-ai-widget')!.shadowRoot!.querySelectorAll('iframe')].map(
          ({ src }) => new URL(src).pathname,
        ),
      )
    expect(await addresses()).toEqual([])
    for (const id of ['w1', 'w2']) {
      await page.evaluate((id) => {
        const element = document.querySelector('returning-ai-widget')!
        element.setAttribute('type', 't')
        element.setAttribute('widget-id', id)
      }, id)
      expect(await addresses()).toEqual([`/t/${id}`])
      await expectHeard(stage, page, [['ann-token-1']])
    }
  })
})
