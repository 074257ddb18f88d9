import { beforeAll, describe, expect, it } from 'vitest'
import { signSession, startBroker, useBroker, type RunningBroker } from '../peers/broker.ts'
import { send } from '../peers/exchange.ts'
import { accessLineOf, expectProblem } from '../peers/promises.ts'

const allowed = 'https://app.example.com'
const attacker = 'https://evil.example'
const own = 'http://broker.example'
const { vendor, broker } = await useBroker({
  ALLOWED_ORIGINS: `${allowed}, https://second.example.com:8443`,
  SESSION_JWT_SOURCE: 'bearer,cookie:sid',
  RATE_LIMIT_PER_MINUTE: '100000',
})
const session = await signSession()

type Headers = Record<string, string | string[]>

/** Asks with Ada's cookie, as her browser does on whatever page she is. */
const ask = (headers: Headers, method = 'POST') =>
  send(broker.port, {
    method,
    path: '/widget-token',
    headers: { host: 'broker.example', cookie: `sid=${session}`, ...headers },
  })

async function expectRefused(headers: Headers): Promise<void> {
  const before = vendor.requests.length
  const answer = await ask(headers)
  expectProblem(answer, 403, 'origin_not_allowed')
  expect(answer.headers.vary).toBe('Origin')
  const line = await accessLineOf(broker, answer.headers['x-request-id'])
  expect(line).toMatchObject({ status: 403, code: 'origin_not_allowed' })
  expect(line).not.toHaveProperty('subject')
  expect(vendor.requests.length).toBe(before)
}

// The rows and columns of Go's `TestCrossOriginProtection`, with our verdicts.
const sites = ['same-origin', 'none', 'same-site', 'cross-site', 'unheard-of', undefined]
const origins = { none: undefined, own, allowed, attacker, null: 'null' }
const passing: Record<string, readonly string[]> = {
  'same-origin': ['none', 'own', 'allowed', 'attacker'],
  none: ['allowed'],
  'same-site': ['allowed'],
  'cross-site': ['allowed'],
  'unheard-of': ['allowed'],
  undefined: ['own', 'allowed'],
}

const table = sites.flatMap((site) =>
  Object.entries(origins).map(([name, origin]) => ({
    site,
    name,
    headers: {
      ...(site === undefined ? {} : { 'sec-fetch-site': site }),
      ...(origin === undefined ? {} : { origin }),
    },
    passes: passing[String(site)]!.includes(name),
  })),
)

describe('A request with the cookies of a browser', () => {
  it.each(table.filter(({ passes }) => passes))(
    'passes from Sec-Fetch-Site $site with Origin $name',
    async ({ headers }) => {
      expect((await ask(headers)).status).toBe(200)
    },
  )

  it.each(table.filter(({ passes }) => !passes))(
    'is refused from Sec-Fetch-Site $site with Origin $name',
    ({ headers }) => expectRefused(headers),
  )

  it.each([
    ['BROKER.example', own],
    ['broker.example:80', own],
    ['Broker.example:443', 'https://broker.example'],
    ['broker.example', 'https://broker.example'],
    ['broker.example:8443', 'https://broker.example:8443'],
    ['[::1]:443', 'https://[::1]'],
  ])('passes from its own origin by the Host %s with Origin %s', async (host, origin) => {
    expect((await ask({ host, origin })).status).toBe(200)
  })

  it.each([
    ['broker.example:443', own],
    ['broker.example:80', 'https://broker.example'],
    ['broker.example:8443', own],
    ['broker.example:', own],
    ['broker.example', 'ftp://broker.example'],
    ['broker.example', 'http://user@broker.example'],
    ['broker.example', 'http://broker.example, http://broker.example'],
  ])('is refused by the Host %s with Origin %s', (host, origin) => expectRefused({ host, origin }))

  it("is refused from the caller's own X-Forwarded-Host", () =>
    expectRefused({ origin: attacker, 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' }))

  it('from another site is refused before its session is verified', () =>
    expectRefused({ cookie: 'sid=x', origin: attacker }))
})

describe('PUBLIC_URL', () => {
  let behindProxy: RunningBroker

  beforeAll(async () => {
    behindProxy = await startBroker({
      WIDGET_BASE_URL: vendor.url,
      PUBLIC_URL: 'https://widgets.example.com/path/, https://www.brand.example:8443',
      SESSION_JWT_SOURCE: 'cookie:sid',
      TRUST_PROXY: '127.0.0.1',
    })
  })

  const statusOf = async (headers: Headers) => {
    const cookie = `sid=${session}`
    const asked = {
      method: 'POST',
      path: '/widget-token',
      headers: { host: 'internal:3000', cookie, ...headers },
    }
    return (await send(behindProxy.port, asked)).status
  }

  it.each(['https://widgets.example.com', 'https://www.brand.example:8443', 'http://internal:3000'])(
    'is the broker’s own origin, like Host: %s passes',
    async (origin) => {
      expect(await statusOf({ origin })).toBe(200)
    },
  )

  it.each([
    'http://widgets.example.com',
    'https://widgets.example.com:8443',
    'https://www.brand.example',
    'https://widgets.example.com/path/',
    'https://evil.example',
  ])('does not make %s the broker’s own origin', async (origin) => {
    expect(await statusOf({ origin, 'x-forwarded-host': new URL(origin).host })).toBe(403)
  })

  it('does not let a page of another site pass', async () => {
    const origin = 'https://widgets.example.com'
    expect(await statusOf({ origin, 'sec-fetch-site': 'cross-site' })).toBe(403)
  })
})

describe('A request without the headers of a browser', () => {
  it('passes with a bearer token, which no other site can attach', async () => {
    expect((await ask({ cookie: [], authorization: `Bearer ${session}` })).status).toBe(200)
  })

  it('passes with a bearer token and a cookie that no mode reads', async () => {
    const answer = await ask({ cookie: 'theme=dark', authorization: `Bearer ${session}` })
    expect(answer.status).toBe(200)
  })

  it('is refused with a bearer token and the session cookie', () =>
    expectRefused({ authorization: `Bearer ${session}` }))
})

describe('An Origin that resembles an allowed one', () => {
  it.each([
    'https://app.example.com.evil',
    'https://evilapp.example.com',
    'https://app.example.com:444',
    'https://app.example.com:443',
    'https://app.example.com/',
    'https://app.example.com.',
    'https://second.example.com',
    'http://app.example.com',
    'HTTPS://APP.EXAMPLE.COM',
    'https://App.example.com',
    'https://user@app.example.com',
    'https://app.example.com https://evil.example',
    'https://app.example.com, https://app.example.com',
    'https://àpp.example.com',
    'null',
    'NULL',
    '*',
  ])('is refused and gets no CORS header: %s', async (origin) => {
    await expectRefused({ origin })
    const { headers } = await ask({ origin })
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([])
  })

  it('is refused if it comes in two lines, one of which is allowed', () =>
    expectRefused({ origin: [allowed, attacker] }))

  it('is refused if it is the broker’s own origin with another port or a path', async () => {
    await expectRefused({ origin: `${own}:8080` })
    await expectRefused({ origin: `${own}/` })
    await expectRefused({ origin: 'ftp://broker.example' })
  })
})

describe('Fetch metadata', () => {
  it.each([
    ['two values', { 'sec-fetch-site': ['same-origin', 'cross-site'] }],
    ['a value in capitals', { 'sec-fetch-site': 'SAME-ORIGIN' }],
    ['an empty value', { 'sec-fetch-site': '' }],
    ['a form of our own page', { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'navigate' }],
    ['a frame', { 'sec-fetch-site': 'same-origin', 'sec-fetch-dest': 'iframe' }],
    ['a document', { 'sec-fetch-site': 'same-origin', 'sec-fetch-dest': 'document' }],
    ['a script tag', { 'sec-fetch-site': 'same-origin', 'sec-fetch-dest': 'script' }],
    ['a form of an allowed page', { origin: allowed, 'sec-fetch-mode': 'navigate' }],
    ['a frame of an allowed page', { origin: allowed, 'sec-fetch-dest': 'iframe' }],
  ])('refuses %s', (_what, headers) => expectRefused(headers))
})

describe('The log of a refused origin', () => {
  it.each([
    ['not_a_script', { 'sec-fetch-mode': 'navigate' }],
    ['origin_null', { origin: 'null' }],
    ['origin_not_listed', { origin: attacker, 'sec-fetch-site': 'cross-site' }],
    ['origin_not_host', { origin: attacker }],
    ['origin_missing', {}],
  ])('says %s', async (outcome, headers) => {
    const answer = await ask(headers)
    expect(await accessLineOf(broker, answer.headers['x-request-id'])).toMatchObject({ status: 403, outcome })
  })
})

describe('The web view of an app', () => {
  it.each(['capacitor://localhost', 'ionic://localhost', 'tauri://localhost', 'app://shop'])(
    'at %s gets a token and may read it, if its origin is listed exactly',
    async (origin) => {
      const forApps = await startBroker({ WIDGET_BASE_URL: vendor.url, ALLOWED_ORIGINS: origin })
      const headers = { 'sec-fetch-site': 'cross-site', authorization: `Bearer ${session}` }
      const asked = { method: 'POST', path: '/widget-token' }
      const answer = await send(forApps.port, { ...asked, headers: { ...headers, origin } })
      expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([200, origin])
      const foreign = { ...headers, origin: `${origin}.evil` }
      expect((await send(forApps.port, { ...asked, headers: foreign })).status).toBe(403)
    },
  )
})

describe('CORS', () => {
  it.each([allowed, 'https://second.example.com:8443'])('lets %s read errors too', async (origin) => {
    const answer = await ask({ origin, cookie: [] })
    expectProblem(answer, 401, 'session_missing')
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      vary: 'Origin',
    })
  })

  it('answers the preflight of an allowed page with a fixed set, whatever it asks for', async () => {
    const before = vendor.requests.length
    const wishes = Array.from({ length: 50 }, (_, index) => `x-wish-${index}`).join(',')
    const answer = await ask(
      {
        origin: allowed,
        'access-control-request-method': 'DELETE',
        'access-control-request-headers': wishes,
      },
      'OPTIONS',
    )
    expect(answer).toMatchObject({ status: 204, body: '' })
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': allowed,
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers':
        'Authorization,Cache-Control,Content-Type,Email,X-Requested-With,Traceparent,Tracestate',
      'access-control-max-age': '600',
      vary: 'Origin',
    })
    const line = await accessLineOf(broker, answer.headers['x-request-id'])
    expect(line).toMatchObject({ method: 'OPTIONS', route: '/widget-token', status: 204 })
    expect(vendor.requests.length).toBe(before)
  })

  it('refuses the preflight of a page that is not listed, without a CORS header', async () => {
    const answer = await ask({ origin: attacker, 'access-control-request-method': 'POST' }, 'OPTIONS')
    expectProblem(answer, 403, 'origin_not_allowed')
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([])
  })

  it('answers OPTIONS from the broker’s own origin with only Allow', async () => {
    const answer = await ask({ origin: own, 'sec-fetch-site': 'same-origin' }, 'OPTIONS')
    expect(answer).toMatchObject({ status: 204, body: '' })
    expect(answer.headers.allow).toBe('POST, OPTIONS')
  })
})

describe('Without ALLOWED_ORIGINS', () => {
  it('lets only the broker’s own origin pass', async () => {
    const alone = await startBroker({ WIDGET_BASE_URL: vendor.url, ALLOWED_ORIGINS: '' })
    const from = (origin: string) => alone.askToken({ origin })
    expect((await from(allowed)).status).toBe(403)
    expect((await from(alone.url)).status).toBe(200)
  })
})
