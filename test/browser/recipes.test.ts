import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startDemo } from '../../src/demo/start.ts'
import { launchChromium } from './chromium.ts'
import { startSite, type Site } from './sites.ts'

const tags: Record<string, string> = { 'SDK tag': 'rai-channel-widget[data-state=signed-in]' }
const recipes = ['Fast start', 'HTML', 'Pinned', 'Element', 'SDK tag']

let customer: Site
let demo: Awaited<ReturnType<typeof startDemo>>
let context: BrowserContext
let brokersPage: Page
/** What the customer's page has, and the policy that it is served with. */
let markup = ''
let policy = ''

beforeAll(async () => {
  const browser = await launchChromium()
  // Another port is another origin, to which the browser still sends the cookie of the demo's app.
  customer = await startSite('localhost', (_request, response) => {
    response.setHeader('Content-Type', 'text/html; charset=utf-8')
    if (policy) response.setHeader('Content-Security-Policy', policy)
    response.end(`<!doctype html><title>Customer</title>${markup}`)
  })
  const options = { host: '127.0.0.1', port: 0, sandboxPort: 0, logLevel: 'silent' }
  demo = await startDemo({ ...options, allowedOrigins: customer.origin })
  context = await browser.newContext()
  context.setDefaultTimeout(10_000)
  brokersPage = await context.newPage()
  await brokersPage.goto(demo.address)
  await brokersPage.click('#sign-in button')
  await brokersPage.frameLocator('#panel-0 iframe').locator('html[data-state=signed-in]').waitFor()
})

afterAll(async () => {
  await context.browser()?.close()
  await demo.close()
  await customer.close()
})

/** The code that the broker's page shows in a tab of the first widget. */
async function codeOf(name: string): Promise<string> {
  await brokersPage.locator('#panel-0').getByRole('tab', { name, exact: true }).click()
  return (await brokersPage.locator('#panel-0 .recipe:not([hidden]) code').textContent()) ?? ''
}

/** Opens the customer's page, and waits until its widget shows the user of the demo. The policy blocks nothing. */
async function expectSignedIn(name: string): Promise<void> {
  const page = await context.newPage()
  const blocked: string[] = []
  page.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) blocked.push(message.text())
  })
  await page.goto(customer.origin)
  const tag = tags[name]
  const widget = tag ? page.locator(tag) : page.frameLocator('iframe').locator('html[data-state=signed-in]')
  await widget.waitFor({ state: 'attached' })
  expect(await widget.textContent()).toContain('ada.lindqvist@example.com')
  expect(blocked).toEqual([])
  await page.close()
}

describe('The code that the page shows', () => {
  test.each(recipes)('signs a widget in on another origin, pasted as it is: %s', async (name) => {
    policy = ''
    markup = await codeOf(name)
    await expectSignedIn(name)
  })

  test.each(recipes)('works under the Content-Security-Policy that the page shows: %s', async (name) => {
    policy = `default-src 'none'; style-src 'unsafe-inline'; ${(await codeOf('Policy')).replaceAll('\n', ' ')}`
    markup = await codeOf(name)
    await expectSignedIn(name)
  })

  test.each(['React', 'Vue'])('names the widget and the script: %s', async (name) => {
    const code = await codeOf(name)
    expect(code).toContain(`<script src="${demo.address}/bridge.js" data-widget-origin="`)
    expect(code).toMatch(/<returning-ai-widget type="channel-widget" widget-id="[0-9a-f]{24}"/)
  })
})
