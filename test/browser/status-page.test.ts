import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from './expect.ts'
import { findViolations, refuse, requestId, saysOn, startDemoPage } from './demo-page.ts'

let demoPage: Awaited<ReturnType<typeof startDemoPage>>
beforeAll(async () => {
  demoPage = await startDemoPage()
})
afterAll(() => demoPage.close())

const channel = { type: 'channel-widget', id: '64f0c2a1b3d4e5f607182931', public: false }
/** What makes the demo's configuration that of a real deployment. */
const real = { signInForm: false, widgets: [channel] }

/** The code of the recipe in view. */
const codeIn = (page: Page) => page.locator('#panels > :not([hidden]) .recipe:not([hidden]) code')

const recipeTab = (page: Page, name: string) =>
  page.locator('#panels > :not([hidden])').getByRole('tab', { name, exact: true })

const done = (page: Page) => page.locator('#setup [data-done=true]')
const troubleOn = (page: Page) => page.getByRole('region', { name: 'What went wrong' })

describe('The embed code on the page', () => {
  test('is that of the widget in view, and can be copied', async () => {
    await demoPage.visit({ permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
      await page.getByRole('tab', { name: 'Store' }).click()
      await recipeTab(page, 'HTML').click()
      const panel = page.locator('#panels > :not([hidden])')
      await panel.getByRole('button', { name: 'Copy' }).click()
      await panel.getByRole('button', { name: 'Copied' }).waitFor()
      const code = await page.evaluate(() => navigator.clipboard.readText())
      expect(code).toContain(`<script src="${demoPage.demo.address}/bridge.js"`)
      expect(code).toMatch(/src="http:\/\/127\.0\.0\.1:\d+\/store-widget\/[0-9a-f]{24}"/)
      expect(code).toBe(await codeIn(page).textContent())
    })
  })

  test.each([
    [['https://widgets.example.com/path/'], 'https://widgets.example.com/path/'],
    [['https://widgets.example.com/', 'own'], 'own'],
    [[], 'own'],
  ])('has the address under which browsers reach the broker: %j is %s', async (publicUrls, shown) => {
    const own = (url: string) => url.replace('own', `${demoPage.demo.address}/`)
    await demoPage.visit({ config: { ...real, publicUrls: publicUrls.map(own) } }, async (page) => {
      const code = await codeIn(page).textContent()
      expect(code).toContain(`fetch("${own(shown)}widget-token",`)
      expect(code).toContain(`<script async src="${own(shown)}bridge.js"`)
    })
  })

  test('names no widget origin if it is the vendor’s usual one', async () => {
    const widgetOrigin = 'https://prod-widgets.returning.ai'
    await demoPage.visit({ config: { ...real, widgetOrigin } }, async (page) => {
      expect(await codeIn(page).textContent()).not.toContain('data-widget-origin')
    })
  })

  test.each([
    [['signin'], ['Fast start', 'HTML', 'Pinned', 'Element', 'React', 'Vue', 'Policy']],
    [['access_key'], ['SDK tag', 'Policy']],
  ])('is shown only for the configured doors: %j', async (doors, names) => {
    await demoPage.visit({ config: { ...real, doors } }, async (page) => {
      const tabs = page.getByRole('tablist', { name: 'Ways to embed' }).getByRole('tab')
      expect(await tabs.allTextContents()).toEqual(names)
    })
  })
})

describe('The page', () => {
  test('moves between widgets with the arrow keys', async () => {
    await demoPage.visit({}, async (page) => {
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

  test('of a real deployment has no demo account and no demo script', async () => {
    await demoPage.visit({ config: real }, async (page) => {
      const scripts = await page.evaluate(() =>
        performance.getEntriesByType('resource').map(({ name }) => name),
      )
      expect(scripts.filter((name) => name.includes('/demo/'))).toEqual([])
      expect(await page.locator('#account').isVisible()).toBe(false)
    })
  })

  test('names the user only by the subject', async () => {
    await demoPage.visit({ config: real, signedIn: true }, async (page) => {
      await saysOn(page, 'token', 'Token received')
      expect(await page.locator('#session .detail').textContent()).toMatch(/subject [\w-]{22}$/)
      expect(await page.locator('body').textContent()).not.toMatch(/lindqvist/i)
    })
  })

  test('says which variable to set if no widget is configured', async () => {
    await demoPage.visit({ config: { ...real, widgets: [] } }, async (page, faults) => {
      await page.getByRole('heading', { name: 'No widgets yet' }).waitFor()
      expect(await page.locator('#empty code').textContent()).toMatch(/^WIDGETS=channel-widget:/)
      expect(faults).toEqual([])
    })
  })

  test('shows whether the token arrives, without a widget, if only Access Key Embed is configured', async () => {
    const config = { ...real, doors: ['access_key'] }
    await demoPage.visit({ config, signedIn: true }, async (page, faults) => {
      await saysOn(page, 'token', 'Token received')
      await saysOn(page, 'embeds', 'Ready for SDK tags')
      await page.getByText('Copy the code into one of your own pages').waitFor()
      expect(await page.locator('iframe').count()).toBe(0)
      expect(faults).toEqual([])
    })
  })
})

describe('The setup checklist', () => {
  test('ticks each step when it is done', async () => {
    await demoPage.visit(
      { config: real, refusal: { status: 401, code: 'session_missing' } },
      async (page) => {
        await saysOn(page, 'session', 'Signed out')
        expect(await done(page).allTextContents()).toHaveLength(3)
        await page.unroute('**/widget-token')
        await page.request.post(`${demoPage.demo.address}/demo/sign-in`, {
          data: { user: 'ada' },
          headers: { origin: demoPage.demo.address },
        })
        await page.getByRole('button', { name: 'Try again' }).click()
        await page.getByText('Complete', { exact: true }).waitFor()
        expect(await troubleOn(page).isVisible()).toBe(false)
      },
    )
  })

  test('ticks the session but not the token if the vendor refuses the key', async () => {
    const refusal = { status: 500, code: 'vendor_rejected_credentials' }
    await demoPage.visit({ config: real, refusal }, async (page) => {
      await saysOn(page, 'token', 'No token')
      expect(await done(page).allTextContents()).toHaveLength(4)
    })
  })

  test('shows the allowed origins and the page’s own', async () => {
    const allowedOrigins = ['https://app.example.com', 'https://www.example.com']
    await demoPage.visit({ config: { ...real, allowedOrigins } }, async (page) => {
      const texts = await page.locator('#setup dd').allTextContents()
      expect(texts).toEqual([demoPage.demo.address, allowedOrigins.join(', ')])
    })
  })
})

const failures: [code: string, status: number, session: string, say: string, fix: string][] = [
  ['session_missing', 401, 'Signed out', 'The request has no session.', 'cookie'],
  ['session_invalid', 401, 'Session refused', 'The session was refused.', 'session settings'],
  ['session_source_unavailable', 503, 'Not known yet', 'sign-in does not answer', 'SESSION_FORWARD_URL'],
  ['vendor_rejected_credentials', 500, 'Signed in', 'refuses the broker’s key.', 'WIDGET_API_KEY'],
  ['vendor_timeout', 503, 'Signed in', 'did not answer in time.', 'VENDOR_TIMEOUT_MS'],
  ['email_unverified', 403, 'Not known yet', 'email is not verified.', 'SESSION_REQUIRE_VERIFIED_EMAIL'],
]

describe('A failure', () => {
  test.each(failures)(
    'is explained at once, with the request id: %s',
    async (code, status, session, say, fix) => {
      await demoPage.visit({ config: real, refusal: { status, code } }, async (page) => {
        await saysOn(page, 'session', session)
        const trouble = troubleOn(page)
        for (const text of [say, fix, code, requestId]) await trouble.getByText(text).first().waitFor()
        expect(await page.locator('#journal li').first().textContent()).toContain(say)
        expect(await trouble.getByText('Trying again').isVisible()).toBe(status === 503)
      })
    },
  )

  test('of the proxy is named before the first retry', async () => {
    await demoPage.visit({ config: real, refusal: { status: 502 } }, async (page) => {
      await troubleOn(page).getByText('The proxy cannot reach the broker.').waitFor()
      expect(await page.locator('#token .sentence').textContent()).toBe('Trying again')
    })
  })

  test('that follows another one is named too', async () => {
    await demoPage.visit({ config: real, refusal: { status: 502 } }, async (page) => {
      const code = troubleOn(page).locator('[data-of=code]')
      await expect.poll(() => code.textContent(), eventually).toBe('http_502')
      await page.unroute('**/widget-token')
      await refuse(page, { status: 503, code: 'vendor_timeout' })
      await expect.poll(() => code.textContent(), eventually).toBe('vendor_timeout')
    })
  })

  test.each([
    ['502 of a proxy', 502, 'The proxy cannot reach the broker.'],
    ['no connection', undefined, 'The broker cannot be reached.'],
  ])(
    'to load the page’s configuration is explained, until the broker is back: %s',
    async (_what, status, say) => {
      const context = await demoPage.browser.newContext()
      const page = await context.newPage()
      await page.route('**/config.json', (route) =>
        status ? route.fulfill({ status, body: '<html>' }) : route.abort(),
      )
      await page.goto(demoPage.demo.address)
      await troubleOn(page).getByText(say).waitFor()
      expect(await page.locator('#widgets').isVisible()).toBe(false)
      await page.unroute('**/config.json')
      await page.getByRole('heading', { name: 'Sign in to the demo app' }).waitFor()
      expect(await troubleOn(page).isVisible()).toBe(false)
      await context.close()
    },
  )

  test.each(['light', 'dark'] as const)('passes axe in %s, with the setup checklist', async (colorScheme) => {
    for (const [code, status] of failures) {
      const visit = { colorScheme, bypassCSP: true, config: real, refusal: { status, code } }
      await demoPage.visit(visit, async (page) => {
        await troubleOn(page).waitFor()
        expect(await findViolations(page)).toEqual([])
      })
    }
  })

  test('fits into 320 pixels without scrolling sideways', async () => {
    const refusal = { status: 503, code: 'session_source_unavailable' }
    const viewport = { width: 320, height: 640 }
    await demoPage.visit({ viewport, config: real, refusal }, async (page) => {
      await troubleOn(page).waitFor()
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320)
    })
  })
})
