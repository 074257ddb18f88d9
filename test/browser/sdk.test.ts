import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSandbox } from '../../src/sandbox/sandbox.ts'
import { useEngine } from './engines/launch.ts'
import { eventually } from './expect.ts'
import { openPage } from './page.ts'
import { startSite, type Site } from './sites.ts'

const sandbox = createSandbox()
let vendor: Site
let shop: Site
let markup = ''

beforeAll(async () => {
  vendor = await startSite('vendor.localhost', sandbox.app)
  shop = await startSite('shop.localhost', (_request, response) => {
    response.setHeader('Content-Type', 'text/html')
    response.end(`${markup}<script src="${vendor.origin}/assets/rai-widget.iife.js"></script>`)
  })
})

afterAll(async () => {
  await Promise.all([shop, vendor].map((site) => site.close()))
})

const tags = ['store', 'channel', 'milestone', 'social', 'currency', 'custom']

/** How each of the vendor's tags ends on a page of the shop. */
async function visit(embedToken: string) {
  const ids = 'community-id="community-1" channel-id="channel-1" widget-id="widget-1"'
  markup = tags
    .map((tag) => `<rai-${tag}-widget ${ids} embed-token="${embedToken}"></rai-${tag}-widget>`)
    .join('')
  const page = openPage('shop', await (await useEngine()).open())
  await page.goto(shop.origin)
  const findStates = () =>
    page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>('[data-state]')].map(({ dataset }) => dataset.state),
    )
  await expect.poll(findStates, eventually).not.toContain('pending')
  const states = await findStates()
  const text = await page.evaluate(() => document.querySelector('rai-store-widget')?.textContent)
  await page.close()
  return { states, text }
}

describe("The stand-in for the vendor's SDK", () => {
  it('signs in with an embed token in every tag', async () => {
    const { states, text } = await visit(await sandbox.tokens.mint('ada@example.com', 900, 'embed'))
    expect(states).toEqual(tags.map(() => 'signed-in'))
    expect(text).toContain('ada@example.com')
  })

  it('is refused with a token of another kind, and on an origin that the key does not allow', async () => {
    const refused = tags.map(() => 'refused')
    expect((await visit(await sandbox.tokens.mint('ada@example.com'))).states).toEqual(refused)
    sandbox.credentials.allowedOrigins.add('https://elsewhere.example')
    expect((await visit(await sandbox.tokens.mint('ada@example.com', 900, 'embed'))).states).toEqual(refused)
    sandbox.credentials.allowedOrigins.clear()
  })
})
