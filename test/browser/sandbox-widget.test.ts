import { createServer } from 'node:http'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSandbox } from '../../src/sandbox/sandbox.ts'
import { listen } from '../peers/listen.ts'
import { launchChromium } from './chromium.ts'
import { startSite, type Site } from './sites.ts'

const sam = 'sam.okafor@example.com'
const sandbox = createSandbox()
let browser: Browser
let vendor: string
let customer: Site

beforeAll(async () => {
  browser = await launchChromium()
  vendor = await listen(createServer(sandbox.app))
  // A customer's page on a site of its own: it embeds the address in its query and records what is posted to it.
  customer = await startSite('customer.test', ({ url = '' }, response) => {
    const src = new URL(url, 'http://customer.test').searchParams.get('src')
    response.setHeader('Content-Type', 'text/html')
    response.end(
      `<script>asked = []; onmessage = ({ data }) => asked.push(data.type)</script><iframe src="${src}"></iframe>`,
    )
  })
})

afterAll(async () => {
  await browser.close()
  await customer.close()
})

/** Opens a customer's page with one sandbox widget, without any bridge. */
async function embed(query: string, answer: (page: Page) => Promise<void>) {
  const context = await browser.newContext()
  context.setDefaultTimeout(10_000)
  const page = await context.newPage()
  const src = `${vendor}/channel/1${query}`
  await page.goto(`${customer.origin}/?${new URLSearchParams({ src })}`)
  await answer(page)
  await context.close()
}

const tell = (page: Page, data: object) =>
  page.evaluate((message) => frames[0]!.postMessage(message, '*'), data)

describe('The widget page of the sandbox', () => {
  test.each([
    ['', 'RETURNINGAI_WIDGET_REQUEST_TOKEN'],
    ['?request=legacy', 'RETURNINGAI_WIDGET_TOKEN'],
  ])('opened as /channel/1%s asks by %s', async (query, type) => {
    await embed(query, async (page) => {
      await page.waitForFunction(() => asked.length > 0)
      expect(await page.evaluate(() => asked)).toEqual([type])
    })
  })

  test('says that no token arrived, and accepts one that comes late', async () => {
    await embed('?patience=50', async (page) => {
      const widget = page.frameLocator('iframe')
      await widget.getByRole('heading', { name: 'No token arrived' }).waitFor()
      await tell(page, { type: 'RETURNINGAI_WIDGET_TOKEN', value: await sandbox.tokens.mint(sam) })
      await widget.getByText(`Signed in as ${sam}`).waitFor()
      expect(await widget.getByRole('heading').allTextContents()).toEqual(['Trailhead'])
    })
  })

  test('asks again for a token that is refused', async () => {
    await embed('', async (page) => {
      await page.waitForFunction(() => asked.length === 1)
      await tell(page, { type: 'RETURNINGAI_WIDGET_TOKEN', value: 'not-a-token' })
      await page.waitForFunction(() => asked.length > 1)
      expect(await page.frameLocator('iframe').locator('html').getAttribute('data-state')).toBe('renewing')
    })
  })

  test.each([
    ['the token under another name', { type: 'RETURNINGAI_WIDGET_TOKEN', token: 'x' }],
    ['a value that is no string', { type: 'RETURNINGAI_WIDGET_TOKEN', value: { length: 9 } }],
    ['another type', { type: 'RETURNINGAI_WIDGET_REFRESH', value: 'x' }],
  ])('does not react to %s', async (_what, message) => {
    await embed('?patience=300', async (page) => {
      await page.waitForFunction(() => asked.length === 1)
      await tell(page, message)
      await page.frameLocator('iframe').getByRole('heading', { name: 'No token arrived' }).waitFor()
      expect(await page.evaluate(() => asked.length)).toBe(1)
    })
  })

  test.each(['light', 'dark'])('opened with ?color=%s uses that colour scheme', async (color) => {
    await embed(`?color=${color}`, async (page) => {
      const root = page.frameLocator('iframe').locator(`html[data-color=${color}]`)
      expect(await root.evaluate((element) => getComputedStyle(element).colorScheme)).toBe(color)
    })
  })
})

declare global {
  var asked: string[]
}
