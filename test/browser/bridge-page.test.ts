import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually, expectHeard, expectTokens } from './expect.ts'
import type { Site } from './sites.ts'
import { startStage, type Stage } from './stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await startStage()
})
beforeEach(() => stage.reset())
afterAll(() => stage.close())

const namesOfPage = () => Object.getOwnPropertyNames(window)

function postedPaths({ requests }: Site): string[] {
  return requests.filter(({ method }) => method === 'POST').map(({ path }) => path)
}

async function integrity(): Promise<string> {
  const bridge = await fetch(`${stage.broker.origin.replace('broker.localhost', '127.0.0.1')}/bridge.js`)
  return `sha384-${createHash('sha384')
    .update(new Uint8Array(await bridge.arrayBuffer()))
    .digest('base64')}`
}

describe('The strictest page', () => {
  test('runs the bridge and its element without one violation', async () => {
    const policy = [
      "default-src 'none'",
      `script-src ${stage.broker.origin}`,
      `connect-src ${stage.broker.origin}`,
      `frame-src ${stage.vendor.origin}`,
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ].join('; ')
    const element = '<returning-ai-widget type="t" widget-id="w2"></returning-ai-widget>'
    const headers = { 'Content-Security-Policy': policy }
    const page = await stage.open(stage.script() + stage.widget('w1') + element, { headers })
    await expectHeard(stage, page, [['ann-token-1'], ['ann-token-1']])
    await page.evaluate(() => returningAI.signOut())
    await page.evaluate(() => returningAI.refresh())
    await expectHeard(stage, page, [['ann-token-2'], ['ann-token-2']])
    expect(await page.evaluate(() => faults)).toEqual([])
  })

  test('can pin the bytes of the bridge', async () => {
    const pinned = `integrity="${await integrity()}" crossorigin="anonymous"`
    await expectHeard(stage, await stage.open(stage.script(pinned) + stage.widget()), [['ann-token-1']])
  })

  test('does not run bytes other than the pinned ones', async () => {
    const pinned = 'integrity="sha384-AAAA" crossorigin="anonymous"'
    const page = await stage.open(stage.script(pinned) + stage.widget())
    expect(await page.evaluate(() => 'returningAI' in window)).toBe(false)
  })
})

describe('A hostile page', () => {
  test('does not mislead the bridge with elements named like the properties that it uses', async () => {
    const names = ['currentScript', 'querySelectorAll', 'dispatchEvent', 'hidden', 'defaultView', 'baseURI']
    const images = names.map((name) => `<img name="${name}">`).join('')
    const lure = `data-token-url="${stage.stranger.origin}/" src="${stage.stranger.origin}/x/y.js"`
    const form = '<form id="returningAI"><input name="shadowRoot"><input name="shadowRoot"></form>'
    const html = images + images.replaceAll('<img', `<img ${lure}`) + form + stage.script() + stage.widget()
    const page = await stage.open(html)
    await expectHeard(stage, page, [['ann-token-1']])
    expect(postedPaths(stage.stranger)).toEqual([])
    expect(await page.evaluate(() => seen.length)).toBe(1)
    expect(await page.evaluate(() => typeof returningAI.refresh)).toBe('function')
  })

  test.each(['<img name="host">', '<iframe name="host"></iframe>', '<svg><iframe></iframe></svg>'])(
    'does not stop the bridge from serving the widgets that are there already with %s',
    async (lure) => {
      const page = await stage.open(lure + stage.widget('w1?silent'))
      await page.addScript({
        src: `${stage.broker.origin}/bridge.js`,
        'data-widget-origin': stage.vendor.origin,
      })
      await expectTokens(stage, page, [['ann-token-1']])
    },
  )

  test('does not redirect the token URL by a base element', async () => {
    const base = `<base href="${stage.stranger.origin}/">`
    const own = stage.widget('w1', 'data-token-url="own"')
    await stage.open(base + stage.script('data-token-url="main"') + own)
    await expect.poll(() => postedPaths(stage.customer), eventually).toEqual(['/main', '/own'])
    expect(postedPaths(stage.stranger)).toEqual([])
  })
})

describe('The bridge', () => {
  test('adds one global to the page, which nothing can replace', async () => {
    const page = await stage.open('<body></body>')
    const before = await page.evaluate(namesOfPage)
    await page.addScript({ src: `${stage.broker.origin}/bridge.js` })
    expect((await page.evaluate(namesOfPage)).filter((name) => !before.includes(name))).toEqual([
      'returningAI',
    ])
    expect(await page.evaluate(() => Reflect.set(window, 'returningAI', 1))).toBe(false)
  })

  test('works once in a page that loads it twice', async () => {
    const page = await stage.open(stage.script() + stage.script() + stage.widget())
    await expectHeard(stage, page, [['ann-token-1']])
    expect(stage.broker.asked()).toHaveLength(1)
  })

  test('reports that it was loaded as a module, and does nothing else', async () => {
    const page = await stage.open(stage.script('type="module"'))
    const faulty = () => page.evaluate(() => faults)
    await expect.poll(faulty, eventually).toEqual([expect.stringContaining('returning-ai: not as a module')])
    expect(await page.evaluate(() => 'returningAI' in window)).toBe(false)
  })

  test('works if a script of the page adds it', async () => {
    const page = await stage.open('<body></body>')
    await page.evaluate(
      ([src, origin, html]) => {
        const script = document.createElement('script')
        script.dataset.widgetOrigin = origin
        script.src = src!
        script.addEventListener('load', () => (document.body.innerHTML = html!))
        document.head.append(script)
      },
      [`${stage.broker.origin}/bridge.js`, stage.vendor.origin, stage.widget()],
    )
    await expectHeard(stage, page, [['ann-token-1']])
  })

  test('leaves no token in an event, the address, a cookie or the global', async () => {
    const page = await stage.open(stage.script('data-storage="memory"') + stage.widget())
    await expectHeard(stage, page, [['ann-token-1']])
    const traces = await page.evaluate(() =>
      JSON.stringify([
        seen,
        location.href,
        document.cookie,
        Object.entries(localStorage),
        Object.entries(sessionStorage),
        returningAI,
      ]),
    )
    expect(traces).toContain('returning-ai:token')
    expect(traces).not.toContain('ann-token')
  })

  test('serves an element that was there before the script, is moved, or is created by a script', async () => {
    const element = '<returning-ai-widget type="t" widget-id="w1"> </returning-ai-widget>'
    const page = await stage.open(element + stage.script() + '<div></div>')
    await expectHeard(stage, page, [['ann-token-1']])
    await page.evaluate(() =>
      document.querySelector('div')!.append(document.querySelector('returning-ai-widget')!),
    )
    await expectHeard(stage, page, [['ann-token-1']])
    await page.evaluate(() => {
      const made = document.createElement('returning-ai-widget')
      made.setAttribute('type', 't')
      made.setAttribute('widget-id', 'w2')
      document.body.append(made)
    })
    await expectHeard(stage, page, [['ann-token-1'], ['ann-token-1']])
    expect(stage.broker.asked()).toHaveLength(1)
  })
})
