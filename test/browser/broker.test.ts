import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { RequestListener } from 'node:http'
import { createSandbox } from '../../src/sandbox/sandbox.ts'
import { startBroker, type RunningBroker } from '../peers/broker.ts'
import { useEngine } from './engines/launch.ts'
import { eventually } from './expect.ts'
import { openPage, type Page } from './page.ts'
import { startSite, type Site } from './sites.ts'

// Three sites: the customer's (page and broker on subdomains, as browsers keep cookies from other sites), the vendor's,
// and a stranger's.

const sandbox = createSandbox()
let vendor: Site
let api: Site
let customer: Site
let stranger: Site
let broker: RunningBroker
let page: Page
let html = ''
/** The session that the customer's pages set; none removes it. */
let session = ''
/** The tokens that widgets came with and that the vendor accepted. */
const accepted: { type: string; email: string; token: string }[] = []

/** The customer's "who am I": the session cookie names the user. */
const whoAmI: RequestListener = (request, response) => {
  const user = /(?:^|; )sid=(\w+)/.exec(request.headers.cookie ?? '')?.[1]
  response.writeHead(user === undefined ? 401 : 200, { 'content-type': 'application/json' })
  response.end(user === undefined ? '{}' : JSON.stringify({ sub: user, email: `${user}@example.com` }))
}

const servePage: RequestListener = (_request, response) => {
  const cookie = `sid=${session}; domain=customer.localhost; path=/; max-age=${session ? 600 : 0}`
  const head = `<script>
    document.cookie = '${cookie}'
    window.faults = []
    document.addEventListener('securitypolicyviolation', ({ blockedURI }) => {
      if (!blockedURI.endsWith('/favicon.ico')) faults.push(blockedURI)
    })
  </script>`
  response
    .writeHead(200, { 'content-type': 'text/html' })
    .end(`<!doctype html><title>App</title>${head}${html}`)
}

/** The sandbox, which notes whose token a widget reads its content with. */
const serveVendor: RequestListener = (request, response) => {
  const [, route, type = ''] = request.url?.split('/') ?? []
  const token = request.headers.authorization?.replace('Bearer ', '')
  if (route === 'widget-content' && token)
    void sandbox.tokens
      .verify(token)
      .then((user) => user && accepted.push({ type, email: user.email, token }))
  sandbox.app(request, response)
}

const portOf = ({ origin }: Site) => new URL(origin).port

beforeAll(async () => {
  vendor = await startSite('vendor.localhost', serveVendor)
  api = await startSite('127.0.0.1', whoAmI)
  customer = await startSite('app.customer.localhost', servePage)
  stranger = await startSite('app.stranger.localhost', servePage)
  broker = await startBroker({
    WIDGET_BASE_URL: `http://127.0.0.1:${portOf(vendor)}`,
    WIDGET_COMMUNITY_ID: sandbox.credentials.communityId,
    WIDGET_API_KEY: [...sandbox.credentials.apiKeys][0],
    ALLOWED_ORIGINS: customer.origin,
    SESSION_MODE: 'forward-auth',
    SESSION_FORWARD_URL: `${api.origin}/me`,
  })
})

afterAll(async () => {
  await broker.close()
  await Promise.all([vendor, api, customer, stranger].map((site) => site.close()))
})

beforeEach(async () => {
  sandbox.requests.length = 0
  accepted.length = 0
  session = ''
  page = openPage('app', await (await useEngine()).open())
})

afterEach(() => page.close())

/** Each sign-in is a session of its own, as in a real app. */
function signIn(user: string): void {
  session = `${user}-${crypto.randomUUID()}`
}

const brokerOrigin = () => `http://widgets.customer.localhost:${broker.port}`
const bridge = () =>
  `<script src="${brokerOrigin()}/bridge.js" data-widget-origin="${vendor.origin}"></script>`
const widget = (type = 'channel-widget') =>
  `<iframe title="${type}" src="${vendor.origin}/${type}/64f0c2a1b3d4e5f607182931"></iframe>`

async function visit(body: string, { origin } = customer): Promise<void> {
  html = body
  await page.goto(`${origin}/`)
}

async function expectSignedIn(email: string, type = 'channel-widget'): Promise<void> {
  await expect.poll(() => accepted, eventually).toContainEqual(expect.objectContaining({ email, type }))
}

describe('A page of the customer, the broker on a subdomain and the vendor on another site', () => {
  it('signs every widget in as the user of the session, with one request to the vendor', async () => {
    signIn('ada')
    await visit(bridge() + widget() + widget('store-widget') + widget('milestone-widget'))
    for (const type of ['channel-widget', 'store-widget', 'milestone-widget'])
      await expectSignedIn('ada@example.com', type)
    expect(sandbox.requests).toHaveLength(1)
  })

  it('signs in a widget that is added long after the script', async () => {
    signIn('ada')
    await visit(bridge())
    expect(await page.evaluate(() => returningAI.ready)).toMatchObject({ status: 'signed-in' })
    await page.append(widget())
    await expectSignedIn('ada@example.com')
  })

  it('creates the widget of its own element', async () => {
    signIn('ada')
    await visit(
      `${bridge()}<returning-ai-widget type="channel-widget" widget-id="64f0c2a1b3d4e5f607182931"></returning-ai-widget>`,
    )
    await expectSignedIn('ada@example.com')
  })

  it('gets a new token when the vendor ends the first', async () => {
    signIn('ada')
    await visit(bridge() + widget())
    await expectSignedIn('ada@example.com')
    sandbox.tokens.expire('ada@example.com')
    await expect.poll(() => new Set(accepted.map(({ token }) => token)).size, eventually).toBe(2)
    expect(sandbox.requests).toHaveLength(2)
  })

  it('never gives the token of the previous user to the next, even while the broker is down', async () => {
    signIn('ada')
    await visit(bridge() + widget())
    await expectSignedIn('ada@example.com')
    signIn('bob')
    const down = `<script>
      window.whenUp = window.fetch
      window.failed = new Promise((resolve) => {
        window.fetch = () => (resolve(true), Promise.reject(new TypeError('down')))
      })
    </script>`
    accepted.length = 0
    await visit(down + bridge() + widget())
    expect(await page.evaluate('failed')).toBe(true)
    expect(accepted).toEqual([])
    await page.evaluate('window.fetch = whenUp, returningAI.refresh()')
    await expectSignedIn('bob@example.com')
    expect(accepted.map(({ email }) => email)).not.toContain('ada@example.com')
  })

  it('reports to the page that nobody is signed in, and does not call the vendor', async () => {
    const note = `<script>
      document.addEventListener('returning-ai:signed-out', () => (window.signedOut = true))
    </script>`
    await visit(note + bridge() + widget())
    await expect.poll(() => page.evaluate('window.signedOut'), eventually).toBe(true)
    expect(sandbox.requests).toEqual([])
  })

  it('refuses the page of another site', async () => {
    signIn('ada')
    await visit('')
    await visit(bridge() + widget(), stranger)
    const refusal = { route: '/widget-token', code: 'origin_not_allowed' }
    await expect.poll(() => broker.logLines().at(-1), eventually).toMatchObject(refusal)
    expect(sandbox.requests).toEqual([])
  })

  it('works under a strict Content-Security-Policy with Trusted Types', async () => {
    signIn('ada')
    const origin = brokerOrigin()
    const policy = `default-src 'none'; script-src ${origin}; connect-src ${origin}; frame-src ${vendor.origin}; require-trusted-types-for 'script'`
    await visit(`<meta http-equiv="Content-Security-Policy" content="${policy}">${bridge()}${widget()}`)
    await expectSignedIn('ada@example.com')
    expect(await page.evaluate(() => faults)).toEqual([])
  })
})
