import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser, Page } from 'playwright-core'
import { signIn } from '../client.ts'
import { alone, pageNames } from './embeds.ts'
import type { Sites } from './sites.ts'

declare global {
  // In the widget, on the wall clock: when it asked, and when it had its token.
  var askedAt: number
  var toldAt: Promise<number>
}

/** Milliseconds from the start of the navigation to the token in the widget. */
export interface Views {
  first: number
  second: number
}

/** Views each page twice, in turns that begin with another page each. The first round is not counted. */
export async function viewInRounds(
  browser: Browser,
  sites: Sites,
  rounds: number,
): Promise<Map<string, Views[]>> {
  const views = new Map(pageNames.map((name) => [name, [] as Views[]]))
  for (let round = 0; round <= rounds; round += 1) {
    const start = round % pageNames.length
    for (const name of [...pageNames.slice(start), ...pageNames.slice(0, start)]) {
      const seen = await viewTwice(browser, sites, name)
      if (round > 0) views.get(name)!.push(seen)
    }
  }
  return views
}

async function viewTwice(browser: Browser, { app, widgets }: Sites, name: string): Promise<Views> {
  const page = await openSignedIn(browser)
  const view = () => viewOnce(page, `${app}/${encodeURIComponent(name)}`, widgets, name === alone)
  const views = { first: await view(), second: await view() }
  await page.context().close()
  return views
}

let users = 0

/**
 * Opens an empty page of a new user in a new profile: its cache is empty, no connection is open, and the broker
 * has no token for it.
 */
export async function openSignedIn(browser: Browser): Promise<Page> {
  users += 1
  const { session } = await signIn(`viewer-${users}`)
  const context = await browser.newContext()
  const cookie = { name: 'session', value: session, domain: '.app.localhost', path: '/' }
  await context.addCookies([{ ...cookie, httpOnly: true, sameSite: 'Lax' }])
  return context.newPage()
}

async function viewOnce(page: Page, url: string, widgets: string, isAlone: boolean): Promise<number> {
  // Lets the browser finish with the page before.
  await sleep(300)
  await page.goto(url)
  const widget = page.frames().find((frame) => frame.url().startsWith(widgets))!
  const at = await widget.evaluate((isAlone) => (isAlone ? askedAt : toldAt), isAlone)
  return at - (await page.evaluate(() => performance.timeOrigin))
}
