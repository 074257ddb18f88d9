import type { Browser } from 'playwright-core'
import { median } from '../../../src/bench/load.ts'
import type { Figure } from '../../../src/bench/report.ts'
import type { Sites } from './sites.ts'
import { openSignedIn } from './visit.ts'

declare global {
  /** How long the bridge took for each message, in milliseconds. */
  var costsMs: number[]
}

const elements = '<p></p>'.repeat(50_000)

const places: Record<string, (widgets: string) => string> = {
  'an iframe': (widgets) => `<iframe title="Widget" src="${widgets}/channel-widget/w1"></iframe>`,
  'an element': () => '<returning-ai-widget type="channel-widget" widget-id="w1"></returning-ai-widget>',
}

/** A page with 50,000 elements before the widget. Listeners before and after the bridge's take the time. */
export function writeLargePage(name: string, { brokers, widgets }: Sites): string {
  const before = `costsMs = []; let start; addEventListener('message', () => (start = performance.now()))`
  const after = `addEventListener('message', () => costsMs.push(performance.now() - start))`
  const bridge = `<script src="${brokers.path}bridge.js" data-widget-origin="${widgets}"></script>`
  const scripts = `<script>${before}</script>${bridge}<script>${after}</script>`
  return `<!doctype html><title>Large</title>${scripts}${elements}${places[name]!(widgets)}`
}

/** The time for the first question of a widget, when its iframe has to be found, and for each later one. */
export async function measureRequests(browser: Browser, sites: Sites): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const name of Object.keys(places)) {
    const rounds: number[][] = []
    for (let round = 0; round < 7; round += 1) rounds.push(await measurePage(browser, sites, name))
    figures.push(
      { figure: `first question, ${name}, ms`, value: median(rounds.flatMap((costs) => costs.slice(0, 1))) },
      { figure: `later question, ${name}, ms`, value: median(rounds.flatMap((costs) => costs.slice(1))) },
    )
  }
  return figures
}

async function measurePage(browser: Browser, sites: Sites, name: string): Promise<number[]> {
  const page = await openSignedIn(browser)
  await page.goto(`${sites.app}/${encodeURIComponent(name)}`)
  await page.waitForFunction(() => costsMs.length > 0)
  const widget = page.frames().find((frame) => frame.url().startsWith(sites.widgets))!
  for (let count = 2; count <= 11; count += 1) {
    await widget.evaluate(() => parent.postMessage({ type: 'RETURNINGAI_WIDGET_REQUEST_TOKEN' }, '*'))
    await page.waitForFunction((count) => costsMs.length === count, count)
  }
  const costs = await page.evaluate(() => costsMs)
  await page.context().close()
  return costs
}
