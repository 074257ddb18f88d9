import type { RequestListener } from 'node:http'
import { expect } from 'vitest'
import { followDocuments, type RemoteDocument } from './documents.ts'
import { useEngine } from './engines/launch.ts'
import { openPage, type Page } from './page.ts'
import { startScriptedBroker, type ScriptedBroker } from './scripted-broker.ts'
import { startSite, type Site } from './sites.ts'
import { serveWidget } from './widget-page.ts'

declare global {
  // In a widget: what it heard, and its question.
  var received: { type: string; value?: string }[]
  var ask: (data?: unknown, to?: Window) => Promise<string>
  var whichTab: () => Promise<string>
}

export interface PageOptions {
  headers?: Record<string, string>
  /** The name of the page's site, from `newSite`: pages of one site share cookies, storage and channels. */
  site?: string
  /** Freezes the page's clock; the test moves it. */
  clock?: boolean
}

/** A browser and four kinds of sites: customers, the broker, the vendor, and a stranger. */
export interface Stage {
  customer: Site
  broker: ScriptedBroker
  vendor: Site
  stranger: Site
  /** The script tag that a customer pastes. */
  script(attributes?: string): string
  /** A widget's iframe; `id` is free text. */
  widget(id?: string, attributes?: string): string
  /** The script that every page begins with. */
  observer: string
  /** A site that nothing is stored for yet. */
  newSite(): string
  /** Opens a page of a customer's, on a new site unless one is given. */
  open(html: string, options?: PageOptions): Promise<Page>
  /** The document with this id, in a frame of the page or in its popup, once it is there. */
  frame(page: Page, id?: string): Promise<RemoteDocument>
  /** A widget asks once more. */
  ask(page: Page, id?: string): Promise<unknown>
  /** What each widget in the page heard so far: the values of the messages, widget by widget, in order of their ids. */
  heard(page: Page): Promise<(string | undefined)[][]>
  reset(): Promise<void>
  close(): Promise<void>
}

const idOf = ({ url }: RemoteDocument) => url.pathname.split('/').at(-1) ?? ''

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
  const sites = [customer, broker, vendor, stranger]
  const documents = new Set<RemoteDocument>()
  for (const { server } of [vendor, stranger]) followDocuments(server, documents)
  const engine = await useEngine()
  const opened: Page[] = []
  let lastSite = 0

  const newSite = () => `customer${++lastSite}.localhost`
  const observer = (clock = false) =>
    `<script src="${broker.origin}/observe${clock ? '-frozen' : ''}.js"></script>`
  const open: Stage['open'] = async (html, { headers = {}, site = newSite(), clock } = {}) => {
    const id = String(pages.size + 1)
    pages.set(`/${id}`, { html: `<!doctype html><title>Customer</title>${observer(clock)}${html}`, headers })
    const page = openPage(id, await engine.open())
    opened.push(page)
    await page.goto(`${customer.origin.replace('customer.localhost', site)}/${id}`)
    return page
  }
  const closePages = () => Promise.all(opened.splice(0).map((page) => page.close()))
  const documentsOf = ({ id }: Page) =>
    [...documents].filter(({ tab }) => tab === id).sort((one, two) => idOf(one).localeCompare(idOf(two)))
  const frame: Stage['frame'] = async (page, id = 'w1') => {
    const find = () => documentsOf(page).find((document) => idOf(document) === id)
    // The socket of a document that is being replaced closes a little later.
    const isThere = () =>
      find()
        ?.evaluate(() => true)
        .catch(() => false)
    await expect.poll(isThere, { timeout: 10_000, interval: 5 }).toBe(true)
    return find()!
  }
  return {
    customer,
    broker,
    vendor,
    stranger,
    script: (attributes = '') =>
      `<script src="${broker.origin}/bridge.js" data-widget-origin="${vendor.origin}" ${attributes}></script>`,
    widget: (id = 'w1', attributes = '') =>
      `<iframe title="Widget" src="${vendor.origin}/channel-widget/${id}" ${attributes}></iframe>`,
    observer: observer(),
    newSite,
    open,
    frame,
    ask: async (page, id) => (await frame(page, id)).evaluate(() => ask()),
    heard: (page) =>
      Promise.all(
        documentsOf(page)
          .filter(({ url }) => url.origin === vendor.origin)
          .map(hear),
      ),
    reset: async () => {
      await closePages()
      broker.reset()
    },
    close: async () => {
      await closePages()
      await Promise.all(sites.map((site) => site.close()))
    },
  }
}

/** A document that is being replaced counts as gone. */
async function hear(document: RemoteDocument): Promise<(string | undefined)[]> {
  return document.evaluate(() => received.map(({ value }) => value)).catch(() => ['(gone)'])
}
