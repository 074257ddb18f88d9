import type { RequestListener } from 'node:http'
import type { Browser, BrowserContext, Frame, Page } from 'playwright-core'
import { launchChromium } from './chromium.ts'
import { startScriptedBroker, type ScriptedBroker } from './scripted-broker.ts'
import { startSite, type Site } from './sites.ts'
import { serveWidget } from './widget-page.ts'

declare global {
  var received: { type: string; value?: string }[]
  var ask: (data?: unknown, to?: Window) => void
  /** The events that the page saw. */
  var seen: { type: string; detail: Record<string, unknown> }[]
  /** When the page asked, by its own clock, in milliseconds. */
  var fetched: number[]
}

export interface PageOptions {
  headers?: Record<string, string>
  context?: BrowserContext
  /** Freezes the page's clock; the test moves it. */
  clock?: boolean
}

/**
 * A Chromium and four sites: the customer, the broker, the vendor, and a stranger. Browsers take each name directly
 * below `.localhost` for a site of its own, and resolve it to this machine without a flag.
 */
export interface Stage {
  customer: Site
  broker: ScriptedBroker
  vendor: Site
  stranger: Site
  browser: Browser
  /** The script tag that a customer pastes. */
  script(attributes?: string): string
  /** A widget's iframe; `id` is free text. */
  widget(id?: string, attributes?: string): string
  /** Opens a page of the customer's, in a browser of its own unless a context is given. */
  open(html: string, options?: PageOptions): Promise<Page>
  /** The widgets in the page at any depth, in order of their loading. */
  widgets(page: Page): Frame[]
  /** What each widget heard so far: the values of the messages, widget by widget. */
  heard(page: Page): Promise<(string | undefined)[][]>
  reset(): Promise<void>
  close(): Promise<void>
}

const OBSERVE = `
  window.fetched = []
  const { fetch } = window
  window.fetch = (...request) => {
    fetched.push(Date.now())
    return fetch(...request)
  }
  window.seen = []
  for (const name of ['token', 'signed-out', 'error'])
    document.addEventListener('returning-ai:' + name, ({ type, detail }) => seen.push({ type, detail }))`

export async function startStage(): Promise<Stage> {
  const pages = new Map<string, { html: string; headers: Record<string, string> }>()
  const servePage: RequestListener = ({ url = '' }, response) => {
    const { html = '', headers = {} } = pages.get(url) ?? {}
    response.writeHead(200, { 'Content-Type': 'text/html', ...headers }).end(html)
  }
  const customer = await startSite('customer.localhost', servePage)
  const broker = await startScriptedBroker('broker.localhost')
  const vendor = await startSite('vendor.localhost', serveWidget)
  const stranger = await startSite('stranger.localhost', serveWidget)
  const browser = await launchChromium()

  const widgets = (page: Page) => page.frames().filter((frame) => frame.url().startsWith(vendor.origin))
  const open: Stage['open'] = async (html, { headers = {}, context, clock } = {}) => {
    const path = `/${pages.size + 1}`
    pages.set(path, { html: `<!doctype html><title>Customer</title>${html}`, headers })
    const page = await (context ?? (await browser.newContext())).newPage()
    if (clock) await page.clock.install({ time: 0 })
    await page.addInitScript(OBSERVE)
    await page.goto(customer.origin + path)
    return page
  }
  return {
    customer,
    broker,
    vendor,
    stranger,
    browser,
    script: (attributes = '') =>
      `<script src="${broker.origin}/bridge.js" data-widget-origin="${vendor.origin}" ${attributes}></script>`,
    widget: (id = 'w1', attributes = '') =>
      `<iframe title="Widget" src="${vendor.origin}/channel-widget/${id}" ${attributes}></iframe>`,
    open,
    widgets,
    heard: (page) => Promise.all(widgets(page).map(hear)),
    reset: async () => {
      broker.reset()
      await Promise.all(browser.contexts().map((context) => context.close()))
    },
    close: async () => {
      await browser.close()
      await Promise.all([customer, broker, vendor, stranger].map((site) => site.close()))
    },
  }
}

/** A frame that is just being replaced is none that a test waits for. */
async function hear(frame: Frame): Promise<(string | undefined)[]> {
  return frame.evaluate(() => received.map(({ value }) => value)).catch(() => ['(gone)'])
}
