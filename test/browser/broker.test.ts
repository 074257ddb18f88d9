import { createServer, type RequestListener, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createSandbox } from '../../src/sandbox/sandbox.ts'
import { startBroker, type RunningBroker } from '../peers/broker.ts'
import { launchChromium } from './chromium.ts'

// Three sites: the customer's (page and broker on subdomains, as browsers keep cookies from other sites), the vendor's,
// and a stranger's.

const sandbox = createSandbox()
let browser: Browser
let vendor: Listening
let api: Listening
let customer: Listening
let stranger: Listening
let broker: RunningBroker
let page: Page
let html = ''

interface Listening {
  port: number
  server: Server
}

async function listen(app: RequestListener): Promise<Listening> {
  const server = createServer(app)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

/** The customer's "who am I": the session cookie names the user. */
const whoAmI: RequestListener = (request, response) => {
  const user = /(?:^|; )sid=(\w+)/.exec(request.headers.cookie ?? '')?.[1]
  response.writeHead(user === undefined ? 401 : 200, { 'content-type': 'application/json' })
  response.end(user === undefined ? '{}' : JSON.stringify({ sub: user, email: `${user}@example.com` }))
}

const servePage: RequestListener = (_request, response) => {
  response.writeHead(200, { 'content-type': 'text/html' }).end(html)
}

beforeAll(async () => {
  browser = await launchChromium()
  vendor = await listen(sandbox.app)
  api = await listen(whoAmI)
  customer = await listen(servePage)
  stranger = await listen(servePage)
  broker = await startBroker({
    WIDGET_BASE_URL: `http://127.0.0.1:${vendor.port}`,
    WIDGET_COMMUNITY_ID: sandbox.credentials.communityId,
    WIDGET_API_KEY: [...sandbox.credentials.apiKeys][0],
    ALLOWED_ORIGINS: `http://app.customer.localhost:${customer.port}`,
    SESSION_MODE: 'forward-auth',
    SESSION_FORWARD_URL: `http://127.0.0.1:${api.port}/me`,
  })
})

afterAll(async () => {
  await browser.close()
  await broker.close()
  for (const { server } of [vendor, api, customer, stranger]) {
    server.closeAllConnections()
    server.close()
  }
})

beforeEach(async () => {
  sandbox.requests.length = 0
  const context = await browser.newContext()
  page = await context.newPage()
})

afterEach(() => page.context().close())

/** Each sign-in is a session of its own, as in a real app. */
async function signIn(user: string): Promise<void> {
  const place = { domain: '.customer.localhost', path: '/', sameSite: 'Lax' } as const
  await page.context().addCookies([{ name: 'sid', value: `${user}-${crypto.randomUUID()}`, ...place }])
}

const bridge = () =>
  `<script src="http://widgets.customer.localhost:${broker.port}/bridge.js" data-widget-origin="http://127.0.0.1:${vendor.port}"></script>`
const widget = (type = 'channel-widget') =>
  `<iframe title="${type}" src="http://127.0.0.1:${vendor.port}/${type}/64f0c2a1b3d4e5f607182931"></iframe>`

async function visit(body: string, host = 'app.customer.localhost', { port } = customer): Promise<void> {
  html = `<!doctype html><title>A customer's app</title>${body}`
  await page.goto(`http://${host}:${port}/`)
}

const who = (index = 0) => page.frameLocator('iframe').nth(index).locator('#who')

async function expectSignedIn(email: string, index = 0): Promise<void> {
  await who(index).getByText('Signed in as').waitFor()
  expect(await who(index).textContent()).toContain(email)
}

describe('A page of the customer, the broker on a subdomain and the vendor on another site', () => {
  it('signs every widget in as the user of the session, with one request to the vendor', async () => {
    await signIn('ada')
    await visit(bridge() + widget() + widget('store-widget') + widget('milestone-widget'))
    for (const index of [0, 1, 2]) await expectSignedIn('ada@example.com', index)
    expect(sandbox.requests).toHaveLength(1)
  })

  it('signs in a widget that is added long after the script', async () => {
    await signIn('ada')
    const answered = page.waitForResponse(/widget-token/)
    await visit(bridge())
    await answered
    await page.evaluate((html) => {
      document.body.append(document.createRange().createContextualFragment(html))
    }, widget())
    await expectSignedIn('ada@example.com')
  })

  it('creates the widget of its own element', async () => {
    await signIn('ada')
    await visit(
      `${bridge()}<returning-ai-widget type="channel-widget" widget-id="64f0c2a1b3d4e5f607182931"></returning-ai-widget>`,
    )
    await expectSignedIn('ada@example.com')
  })

  it('gets a new token when the vendor ends the first', async () => {
    await signIn('ada')
    await visit(bridge() + widget())
    await expectSignedIn('ada@example.com')
    sandbox.tokens.expire('ada@example.com')
    await page.frameLocator('iframe').locator('html[data-tokens="2"]').waitFor()
    expect(sandbox.requests).toHaveLength(2)
  })

  it('never gives the token of the previous user to the next, even while the broker is down', async () => {
    await signIn('ada')
    await visit(bridge() + widget())
    await expectSignedIn('ada@example.com')
    await signIn('bob')
    await page.route(/widget-token/, (route) => route.abort())
    const failed = page.waitForEvent('requestfailed', (request) => request.url().includes('widget-token'))
    await page.reload()
    await failed
    await who().waitFor()
    expect(await who().textContent()).not.toContain('ada@example.com')
    await page.unroute(/widget-token/)
    await page.evaluate('returningAI.refresh()')
    await expectSignedIn('bob@example.com')
  })

  it('reports to the page that nobody is signed in, and does not call the vendor', async () => {
    const event = page.waitForEvent('console', (message) => message.text() === 'signed out')
    await visit(
      `<script>document.addEventListener('returning-ai:signed-out', () => console.log('signed out'))</script>${bridge()}${widget()}`,
    )
    await event
    expect(sandbox.requests).toEqual([])
  })

  it('refuses the page of another site', async () => {
    await signIn('ada')
    const refusal = page.waitForEvent('requestfailed', (request) => request.url().includes('widget-token'))
    await visit(bridge() + widget(), 'app.stranger.localhost', stranger)
    await refusal
    expect(broker.logLines().at(-1)).toMatchObject({ route: '/widget-token', code: 'origin_not_allowed' })
    expect(sandbox.requests).toEqual([])
  })

  it('works under a strict Content-Security-Policy with Trusted Types', async () => {
    await signIn('ada')
    const violations: string[] = []
    page.on('console', (message) => {
      if (message.text().includes('Content Security Policy')) violations.push(message.text())
    })
    const origin = `http://widgets.customer.localhost:${broker.port}`
    const policy = `default-src 'none'; script-src ${origin}; connect-src ${origin}; frame-src http://127.0.0.1:${vendor.port}; require-trusted-types-for 'script'`
    await visit(`<meta http-equiv="Content-Security-Policy" content="${policy}">${bridge()}${widget()}`)
    await expectSignedIn('ada@example.com')
    expect(violations).toEqual([])
  })
})
