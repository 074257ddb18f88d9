import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import axe from 'axe-core'
import type { Browser, BrowserContextOptions, Frame, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startDemo } from '../../src/demo/start.ts'
import { launchChromium } from './chromium.ts'

let browser: Browser
let customer: Awaited<ReturnType<typeof startCustomer>>
let demo: Awaited<ReturnType<typeof startDemo>>

beforeAll(async () => {
  browser = await launchChromium()
  customer = await startCustomer()
  demo = await startDemo({ host: '127.0.0.1', port: 0, sandboxPort: 0, logLevel: 'silent' })
})

afterAll(async () => {
  await browser.close()
  await demo.close()
  customer.server.close()
  customer.server.closeAllConnections()
})

/** A customer's page on a site of its own: embeds the address in its query and records what is posted to it. */
async function startCustomer() {
  const server = createServer((request, response) => {
    const src = new URL(request.url!, 'http://customer.test').searchParams.get('src')
    response.setHeader('Content-Type', 'text/html')
    response.end(
      `<script>asked = []; onmessage = ({ data }) => asked.push(data.type)</script><iframe src="${src}"></iframe>`,
    )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

interface Visit extends BrowserContextOptions {
  /** Answers `config.json` in the broker's place, to see the page of another deployment. */
  config?: object
  /** Answers the request for a token in the broker's place. */
  refusal?: { status: number; code: string }
}

/** Opens the page, gives it to the journey with what went wrong on it, and closes it. */
async function visit(
  { config, refusal, ...options }: Visit,
  journey: (page: Page, faults: string[]) => Promise<void>,
) {
  const context = await browser.newContext(options)
  context.setDefaultTimeout(10_000)
  const page = await context.newPage()
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('console', (message) => {
    if (/Content Security Policy|Trusted/.test(message.text())) faults.push(message.text())
  })
  if (config) await page.route('**/config.json', (route) => route.fulfill({ json: { ...plain, ...config } }))
  if (refusal)
    await page.route('**/widget-token', (route) =>
      route.fulfill({ status: refusal.status, json: refusal, headers: { 'X-Request-Id': requestId } }),
    )
  await page.goto(demo.address)
  await page.locator('#embeds .sentence').filter({ hasNotText: 'Loading' }).waitFor()
  await journey(page, faults)
  await context.close()
}

const plain = {
  widgetOrigin: 'https://prod-widgets.returning.ai',
  communityId: 'community-1',
  allowedOrigins: ['https://app.example.com'],
  doors: ['signin'],
  widgets: [],
  signInForm: false,
  publicUrls: [],
  version: '0.0.0',
  bridgeIntegrity: 'sha384-AAAA',
  fastStart: 'fetch(TOKEN_URL)',
}
const channel = { type: 'channel-widget', id: '64f0c2a1b3d4e5f607182931', public: false }
const requestId = 'request-1'
const ada = 'ada.lindqvist@example.com'
const sam = 'sam.okafor@example.com'

async function signIn(page: Page) {
  await page.click('#sign-in button')
  await waitForWidgets(page, ada)
}

async function waitForWidgets(page: Page, email: string) {
  const state = `html[data-state=signed-in][data-email="${email}"]`
  const signedIn = [0, 1, 2, 3].map((index) => page.frameLocator(`#panel-${index} iframe`).locator(state))
  await Promise.all(signedIn.map((widget) => widget.waitFor({ state: 'attached' })))
}

/** Opens a customer's page with one sandbox widget, without any bridge. */
async function embed(query: string, answer: (page: Page) => Promise<void>) {
  const context = await browser.newContext()
  context.setDefaultTimeout(10_000)
  const page = await context.newPage()
  const src = `http://127.0.0.1:${demo.sandboxPort}/channel/1${query}`
  await page.goto(`http://customer.test:${customer.port}/?${new URLSearchParams({ src })}`)
  await answer(page)
  await context.close()
}

const tell = (page: Page, data: object) =>
  page.evaluate((message) => frames[0]!.postMessage(message, '*'), data)

const saysOn = (page: Page, station: string, sentence: string) =>
  page.locator(`#${station} .sentence`, { hasText: sentence }).waitFor()

/** The code of the recipe in view. */
const codeIn = (page: Page) => page.locator('#panels > :not([hidden]) .recipe:not([hidden]) code')

const recipeTab = (page: Page, name: string) =>
  page.locator('#panels > :not([hidden])').getByRole('tab', { name, exact: true })

async function findViolations(frame: Frame | Page) {
  await frame.evaluate(axe.source)
  const { violations } = await frame.evaluate(() =>
    (globalThis as unknown as { axe: typeof axe }).axe.run({ exclude: ['iframe'] }, { iframes: false }),
  )
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}

describe('The demo in a browser', () => {
  test('signs four widgets in, renews, follows a switch of the user, and signs out', async () => {
    await visit({}, async (page, faults) => {
      await saysOn(page, 'session', 'Signed out')
      await signIn(page)
      await saysOn(page, 'session', 'Signed in as Ada Lindqvist')
      await saysOn(page, 'token', 'Token received')

      await page.click('[data-action=expire]')
      await saysOn(page, 'token', 'Token renewed')
      await page.frameLocator('#panel-0 iframe').locator('html[data-tokens="2"]').waitFor()

      await page.click('[data-action=switch]')
      await waitForWidgets(page, sam)
      await saysOn(page, 'session', 'Signed in as Sam Okafor')

      await page.click('[data-action=sign-out]')
      await saysOn(page, 'session', 'Signed out')
      const signedIn = page.frames().map((frame) => frame.locator('html[data-state=signed-in]').count())
      expect(await Promise.all(signedIn)).toEqual(signedIn.map(() => 0))
      expect(faults).toEqual([])
    })
  })

  test('says that it retries when the vendor fails, and then succeeds', async () => {
    await visit({}, async (page) => {
      await signIn(page)
      await page.click('[data-action=fail]')
      await saysOn(page, 'token', 'Trying again')
      await saysOn(page, 'token', 'Token renewed')
      expect(await page.locator('#journal').textContent()).toContain(
        'limits the rate of requests. Trying again.',
      )
    })
  })

  test('fits into 320 pixels without scrolling sideways', async () => {
    await visit({ viewport: { width: 320, height: 640 } }, async (page) => {
      await signIn(page)
      // A widget that is not in view has no width to keep within.
      const overflow = page
        .frames()
        .map((frame) => frame.evaluate(() => innerWidth && document.documentElement.scrollWidth - innerWidth))
      expect(await Promise.all(overflow)).toEqual(overflow.map(() => 0))
    })
  })

  test.each(['light', 'dark'] as const)('passes axe in %s, page and widgets', async (colorScheme) => {
    await visit({ colorScheme, bypassCSP: true }, async (page) => {
      expect(await findViolations(page)).toEqual([])
      await signIn(page)
      for (const tab of await page.locator('#tabs [role=tab]').all()) {
        await tab.click()
        const panel = page.locator('#panels > :not([hidden]) iframe')
        const frame = await (await panel.elementHandle()).contentFrame()
        await frame!.locator('html:is([data-state=signed-in], [data-state=public]) main h1').waitFor()
        expect(await findViolations(frame!)).toEqual([])
      }
      expect(await findViolations(page)).toEqual([])
    })
  })
})

describe('The page', () => {
  test('shows the embed code of the widget in view, and copies it', async () => {
    await visit({ permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
      await page.getByRole('tab', { name: 'Store' }).click()
      await recipeTab(page, 'HTML').click()
      const panel = page.locator('#panels > :not([hidden])')
      await panel.getByRole('button', { name: 'Copy' }).click()
      await panel.getByRole('button', { name: 'Copied' }).waitFor()
      const code = await page.evaluate(() => navigator.clipboard.readText())
      expect(code).toContain(`<script src="${demo.address}/bridge.js"`)
      expect(code).toMatch(/src="http:\/\/127\.0\.0\.1:\d+\/store-widget\/[0-9a-f]{24}"/)
      expect(code).toBe(await codeIn(page).textContent())
    })
  })

  test.each([
    [['https://widgets.example.com/path/'], 'https://widgets.example.com/path/'],
    [['https://widgets.example.com/', 'own'], 'own'],
    [[], 'own'],
  ])('names in the embed code where browsers reach the broker: %j is %s', async (publicUrls, script) => {
    const own = `${demo.address}/`
    await visit(
      { config: { widgets: [channel], publicUrls: publicUrls.map((url) => url.replace('own', own)) } },
      async (page) => {
        const code = await codeIn(page).textContent()
        expect(code).toContain(`fetch("${script.replace('own', own)}widget-token")`)
        expect(code).toContain(`<script async src="${script.replace('own', own)}bridge.js"`)
      },
    )
  })

  test('moves between widgets with the arrow keys', async () => {
    await visit({}, async (page) => {
      await page.getByRole('tab', { name: 'Channel' }).focus()
      const selected = page.locator('[role=tab][aria-selected=true]:focus')
      for (const [key, name] of [
        ['ArrowRight', 'Store'],
        ['End', 'Leaderboard'],
        ['ArrowRight', 'Channel'],
      ] as const) {
        await page.keyboard.press(key)
        expect(await selected.textContent()).toBe(name)
      }
      expect(await page.locator('#panels > :not([hidden])').count()).toBe(1)
    })
  })

  test('says which variable to set if no widget is configured', async () => {
    await visit({ config: {} }, async (page, faults) => {
      await page.getByRole('heading', { name: 'No widgets yet' }).waitFor()
      expect(await page.locator('#empty code').textContent()).toMatch(/^WIDGETS=channel-widget:/)
      expect(faults).toEqual([])
    })
  })

  test.each([
    ['session_missing', 401, 'Signed out', 'The request has no session.', 'cookie'],
    ['session_invalid', 401, 'Session refused', 'The session was refused.', 'session settings'],
    [
      'session_source_unavailable',
      503,
      'Not known yet',
      'Your app’s sign-in does not',
      'SESSION_FORWARD_URL',
    ],
    [
      'vendor_rejected_credentials',
      500,
      'Signed in',
      'The vendor refuses the broker’s key.',
      'WIDGET_API_KEY',
    ],
    ['vendor_timeout', 503, 'Signed in', 'The vendor did not answer in time.', 'VENDOR_TIMEOUT_MS'],
    ['email_unverified', 403, 'Not known yet', 'email is not verified.', 'SESSION_REQUIRE_VERIFIED_EMAIL'],
  ])('explains %s at the first failure, with the request id', async (code, status, session, say, fix) => {
    await visit({ config: { widgets: [channel] }, refusal: { status, code } }, async (page) => {
      await saysOn(page, 'session', session)
      const trouble = page.getByRole('region', { name: 'What went wrong' })
      for (const text of [say, fix, code, requestId]) await trouble.getByText(text).first().waitFor()
      expect(await page.locator('#journal li').first().textContent()).toContain(say)
      expect(await trouble.getByText('tries again by itself').isVisible()).toBe(status === 503)
    })
  })

  test('of a real deployment has no demo account and no demo script', async () => {
    await visit({ config: { widgets: [channel] } }, async (page) => {
      const scripts = await page.evaluate(() =>
        performance.getEntriesByType('resource').map(({ name }) => name),
      )
      expect(scripts.filter((name) => name.includes('/demo/'))).toEqual([])
      expect(await page.locator('#account').isVisible()).toBe(false)
      expect(await codeIn(page).textContent()).not.toContain('data-widget-origin')
    })
  })
})

describe("the sandbox's widget page", () => {
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
      await tell(page, { type: 'RETURNINGAI_WIDGET_TOKEN', value: await demo.sandbox.tokens.mint(sam) })
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

  test.each(['light', 'dark'])('opened with ?color=%s keeps to it', async (color) => {
    await embed(`?color=${color}`, async (page) => {
      const root = page.frameLocator('iframe').locator(`html[data-color=${color}]`)
      expect(await root.evaluate((element) => getComputedStyle(element).colorScheme)).toBe(color)
    })
  })
})

declare global {
  var asked: string[]
}
