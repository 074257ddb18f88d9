import axe from 'axe-core'
import type { BrowserContextOptions, Frame, Page } from 'playwright-core'
import { startDemo } from '../../src/demo/start.ts'
import { launchChromium } from './chromium.ts'

interface Visit extends BrowserContextOptions {
  /** Changes `config.json`, to see the page of another deployment. */
  config?: object
  /** Answers the request for a token in the broker's place. */
  refusal?: Refusal
  /** Whether the visit begins signed in to the demo. */
  signedIn?: boolean
}

export interface Refusal {
  status: number
  /** Absent in the answer of a proxy. */
  code?: string
}

export const ada = 'ada.lindqvist@example.com'
export const sam = 'sam.okafor@example.com'
/** The request id of each refusal. */
export const requestId = 'request-1'

/** The demo, and a Chromium that visits its page. */
export async function startDemoPage() {
  const browser = await launchChromium()
  const demo = await startDemo({ host: '127.0.0.1', port: 0, sandboxPort: 0, logLevel: 'silent' })

  /** Opens the page, gives it to the journey with what went wrong on it, and closes it. */
  async function visit(
    { config, refusal, signedIn, ...options }: Visit,
    journey: (page: Page, faults: string[]) => Promise<void>,
  ) {
    const context = await browser.newContext(options)
    context.setDefaultTimeout(10_000)
    const page = await context.newPage()
    const faults = collectFaults(page)
    if (signedIn) await signInElsewhere(page)
    if (config) await changeConfig(page, config)
    if (refusal) await refuse(page, refusal)
    await page.goto(demo.address)
    await page.locator('#embeds .sentence').filter({ hasNotText: 'Loading' }).waitFor()
    await journey(page, faults)
    await context.close()
  }

  /** The cookie stays in the browser. */
  async function signInElsewhere(page: Page) {
    const data = { user: 'ada' }
    await page.request.post(`${demo.address}/demo/sign-in`, { data, headers: { origin: demo.address } })
  }

  async function close() {
    await browser.close()
    await demo.close()
  }
  return { browser, demo, visit, close }
}

function collectFaults(page: Page): string[] {
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('console', (message) => {
    if (/Content Security Policy|Trusted/.test(message.text())) faults.push(message.text())
  })
  return faults
}

async function changeConfig(page: Page, changes: object) {
  await page.route('**/config.json', async (route) => {
    const config = await (await route.fetch()).json()
    await route.fulfill({ json: { ...config, ...changes } })
  })
}

export async function refuse(page: Page, { status, code }: Refusal) {
  await page.route('**/widget-token', (route) =>
    route.fulfill({ status, json: { code }, headers: { 'X-Request-Id': requestId } }),
  )
}

export async function signIn(page: Page) {
  await page.click('#sign-in button')
  await waitForWidgets(page, ada)
}

export async function waitForWidgets(page: Page, email: string) {
  const state = `html[data-state=signed-in][data-email="${email}"]`
  const signedIn = [0, 1, 2, 3].map((index) => page.frameLocator(`#panel-${index} iframe`).locator(state))
  await Promise.all(signedIn.map((widget) => widget.waitFor({ state: 'attached' })))
}

export const saysOn = (page: Page, station: string, sentence: string) =>
  page.locator(`#${station} .sentence`, { hasText: sentence }).waitFor()

/** What is wrong with a page or a widget for people who use assistive technology. */
export async function findViolations(frame: Frame | Page) {
  await frame.evaluate(axe.source)
  const { violations } = await frame.evaluate(() =>
    (globalThis as unknown as { axe: typeof axe }).axe.run({ exclude: ['iframe'] }, { iframes: false }),
  )
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}
