import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import supertest from 'supertest'
import { beforeAll, describe, expect, it } from 'vitest'
import { signSession, startBroker, useBroker, type RunningBroker } from './peers/broker.ts'
import { send, type Answer } from './peers/exchange.ts'
import { accessLineOf, expectProblem } from './peers/promises.ts'

const { vendor, broker } = await useBroker({ RATE_LIMIT_PER_MINUTE: '100000', LOG_LEVEL: 'debug' })
const session = `Bearer ${await signSession()}`

const app = 'https://app.example.com'
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))

const client = supertest(broker.url)

type Headers = Record<string, string | string[]>

interface Question {
  method?: string
  path?: string
  headers?: Headers
}

async function ask({ method = 'GET', path = '/', headers = {} }: Question): Promise<Answer> {
  const verb = method.toLowerCase() as 'get'
  const { status, headers: fields, text } = await client[verb](path).set(headers)
  return { status, headers: fields, body: method === 'HEAD' ? '' : text }
}

/** Asks for a token as a script of the allowed page does; each row spoils or adds one thing. */
function askToken({ headers = {}, ...question }: Question): Promise<Answer> {
  const valid = { origin: app, authorization: session }
  return ask({ method: 'POST', path: '/widget-token', ...question, headers: { ...valid, ...headers } })
}

describe('What is served', () => {
  it.each([
    ['GET', '/', 'text/html; charset=utf-8', 'no-cache'],
    ['GET', '/page.js', 'text/javascript; charset=utf-8', 'no-cache'],
    ['GET', '/page.css', 'text/css; charset=utf-8', 'no-cache'],
    ['GET', '/config.json', 'application/json; charset=utf-8', 'no-cache'],
    ['GET', '/openapi.json', 'application/json; charset=utf-8', 'no-cache'],
    ['GET', '/bridge.js', 'text/javascript; charset=utf-8', 'public, max-age=300'],
    ['GET', `/bridge-${version}.js`, 'text/javascript; charset=utf-8', 'public, max-age=31536000, immutable'],
    ['GET', '/healthz', 'application/json; charset=utf-8', 'no-store'],
    ['GET', '/readyz', 'application/json; charset=utf-8', 'no-store'],
    ['HEAD', '/bridge.js', 'text/javascript; charset=utf-8', 'public, max-age=300'],
    ['HEAD', '/healthz', 'application/json; charset=utf-8', 'no-store'],
  ])('%s %s answers anyone with 200', async (method, path, type, caching) => {
    const answer = await ask({ method, path })
    expect(answer.status).toBe(200)
    expect(answer.headers).toMatchObject({ 'content-type': type, 'cache-control': caching })
    expect(answer.body === '').toBe(method === 'HEAD')
    const line = await accessLineOf(broker, answer.headers['x-request-id'])
    expect(line).toMatchObject({
      method,
      route: path,
      status: 200,
      level: path.endsWith('z') ? 'debug' : 'info',
    })
  })

  it.each(['/healthz', '/readyz'])('GET %s answers ok and nothing else', async (path) => {
    const { body } = await ask({ path })
    expect(JSON.parse(body)).toEqual({ status: 'ok' })
  })

  it('GET /config.json holds what the page needs and nothing more', async () => {
    const { body } = await ask({ path: '/config.json' })
    const { body: bridge } = await ask({ path: '/bridge.js' })
    expect(JSON.parse(body)).toEqual({
      widgetOrigin: vendor.url,
      communityId: 'community-1',
      allowedOrigins: [app],
      doors: ['signin'],
      widgets: [],
      publicUrls: [],
      signInForm: false,
      version,
      bridgeIntegrity: `sha384-${createHash('sha384').update(bridge).digest('base64')}`,
      fastStart: expect.stringContaining('fetch(TOKEN_URL'),
    })
  })

  it('serves the versioned bridge with the bytes of the current one', async () => {
    const [current, pinned] = await Promise.all(
      ['/bridge.js', `/bridge-${version}.js`].map((path) => ask({ path })),
    )
    expect(pinned?.body).toBe(current?.body)
    expect(pinned?.headers.etag).toBe(current?.headers.etag)
  })

  it('answers 304 without a body for an unchanged file, and 200 for an invalid validator', async () => {
    const { headers } = await ask({ path: '/bridge.js' })
    const validate = (etag: string) => ask({ path: '/bridge.js', headers: { 'if-none-match': etag } })
    expect(await validate(headers.etag!)).toMatchObject({ status: 304, body: '' })
    expect((await validate('"junk", W/"')).status).toBe(200)
  })

  it('answers a Range with 500 parts with the whole file', async () => {
    const range = `bytes=${Array.from({ length: 500 }, (_, at) => `${at}-${at}`).join(',')}`
    const answer = await ask({ path: '/bridge.js', headers: { range } })
    expect(answer.status).toBe(200)
  })

  it('does not depend on the caller', async () => {
    for (const path of ['/', '/page.js', '/bridge.js', '/config.json', '/openapi.json']) {
      const anyone = await ask({ path })
      const ada = await ask({ path, headers: { authorization: session, cookie: 'sid=ada' } })
      expect(ada.body).toBe(anyone.body)
    }
  })
})

describe('POST /widget-token', () => {
  it('answers a valid session with a token, its remaining seconds and the subject, uncacheable', async () => {
    const answer = await askToken({})
    expect(answer.status).toBe(200)
    expect(JSON.parse(answer.body)).toEqual({
      token: expect.stringMatching(/^ey[\w-]+\.[\w-]+\.[\w-]+$/),
      expiresIn: expect.any(Number),
      subject: expect.stringMatching(/^[\w-]{22}$/),
    })
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      'access-control-allow-origin': app,
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': 'Retry-After,X-Request-Id',
      vary: 'Origin',
    })
    const line = await accessLineOf(broker, answer.headers['x-request-id'])
    expect(line).toMatchObject({ method: 'POST', route: '/widget-token', status: 200, clientIp: '127.0.0.1' })
  })

  it('does not turn the answer into a script for a callback parameter', async () => {
    const answer = await askToken({ path: '/widget-token?callback=alert' })
    expect(JSON.parse(answer.body)).toHaveProperty('token')
  })
})

type Row = [promise: string, question: Question, status: number, code: string, more?: object]

const none = { authorization: [] }
const refusals: Row[] = [
  ['no credential', { headers: none }, 401, 'session_missing'],
  ['an empty bearer', { headers: { authorization: 'Bearer' } }, 401, 'session_missing'],
  ['another scheme', { headers: { authorization: 'Basic YTpi' } }, 401, 'session_missing'],
  ['a scheme without space', { headers: { authorization: 'Bearerx' } }, 401, 'session_missing'],
  ['a list of bearers', { headers: { authorization: 'Bearer a,b' } }, 401, 'session_missing'],
  ['a tab for the space', { headers: { authorization: 'Bearer\tx' } }, 401, 'session_missing'],
  ['a cookie that no mode reads', { headers: { ...none, cookie: 'sid=' } }, 401, 'session_missing'],
  ['a token in the query', { path: '/widget-token?token=t', headers: none }, 401, 'session_missing'],
  [
    'an access token in the query',
    { path: '/widget-token?access_token=t', headers: none },
    401,
    'session_missing',
  ],
  ['an email in the query', { path: '/widget-token?email=a@b.co', headers: none }, 401, 'session_missing'],
  [
    'a health checker by name',
    { headers: { ...none, 'user-agent': 'kube-probe/1.30' } },
    401,
    'session_missing',
  ],
  ['another checker by name', { headers: { ...none, 'user-agent': 'GoogleHC/1.0' } }, 401, 'session_missing'],
  ['a garbage token', { headers: { authorization: 'Bearer x' } }, 401, 'session_invalid'],
  [
    'a token above 8 KiB',
    { headers: { authorization: `Bearer ${'x'.repeat(8193)}` } },
    401,
    'session_invalid',
  ],
  ['two credentials', { headers: { authorization: ['Bearer a', 'Bearer b'] } }, 400, 'bad_request'],
  ['GET', { method: 'GET' }, 405, 'method_not_allowed', { allow: 'POST, OPTIONS' }],
  ['PUT', { method: 'PUT' }, 405, 'method_not_allowed', { allow: 'POST, OPTIONS' }],
  ['PATCH', { method: 'PATCH' }, 405, 'method_not_allowed', { allow: 'POST, OPTIONS' }],
  ['DELETE', { method: 'DELETE' }, 405, 'method_not_allowed', { allow: 'POST, OPTIONS' }],
  ['TRACE', { method: 'TRACE' }, 405, 'method_not_allowed', { allow: 'POST, OPTIONS' }],
  ['PROPFIND', { method: 'PROPFIND' }, 405, 'method_not_allowed', { allow: 'POST, OPTIONS' }],
  [
    'GET in the name of POST',
    { method: 'GET', headers: { 'x-http-method-override': 'POST' } },
    405,
    'method_not_allowed',
    { allow: 'POST, OPTIONS' },
  ],
]

describe('POST /widget-token refuses without calling the vendor:', () => {
  it.each(refusals)('%s', async (_promise, question, status, code, more = {}) => {
    const before = vendor.requests.length
    const answer = await askToken(question)
    expectProblem(answer, status, code)
    expect(answer.headers).toMatchObject({ ...more, vary: 'Origin', 'access-control-allow-origin': app })
    const line = await accessLineOf(broker, answer.headers['x-request-id'])
    expect(line).toMatchObject({ status, code, route: '/widget-token', level: 'info' })
    expect(vendor.requests.length).toBe(before)
  })

  it('distinguishes a missing session from a refused one, as RFC 6750 requires', async () => {
    const missing = await askToken({ headers: none })
    const refused = await askToken({ headers: { authorization: 'Bearer x' } })
    expect(missing.headers['www-authenticate']).toBe('Bearer realm="widget-token"')
    expect(refused.headers['www-authenticate']).toBe('Bearer realm="widget-token", error="invalid_token"')
  })

  it('answers HEAD with 405 and no body', async () => {
    const answer = await askToken({ method: 'HEAD' })
    expect(answer).toMatchObject({ status: 405, body: '' })
    expect(answer.headers).toMatchObject({
      allow: 'POST, OPTIONS',
      'cache-control': 'no-store',
      vary: 'Origin',
    })
  })
})

describe('Paths are exact', () => {
  it.each([
    '/favicon.ico',
    '/robots.txt',
    '/WIDGET-TOKEN',
    '/widget-token/',
    '//widget-token',
    '/widget%2Dtoken',
    '/widget-token/x',
    '/widget-token;x',
    '/healthz/',
    '/Healthz',
    '/%zz',
    '/%C0%AF',
    '/%00',
    '/bridge.js/',
    '/bridge.js%00',
    '/bridge.js.map',
    '/bridge-0.0.0.js',
    '/../package.json',
    '/..%2fpackage.json',
    '/%2e%2e/package.json',
    '/%252e%252e/package.json',
    '/..%5cpackage.json',
    '/public/bridge.js',
    '/etc/passwd',
    '/.env',
    '/.git/config',
    '/package.json',
    '/dist/server.js',
    '//evil.example/..',
    '/metrics',
    '/demo/me',
  ])('%s is 404', async (path) => {
    const answer = await send(broker.port, { path, headers: { accept: 'text/html' } })
    expectProblem(answer, 404, 'not_found')
    expect(answer.headers).not.toHaveProperty('location')
    const line = await accessLineOf(broker, answer.headers['x-request-id'])
    expect(line).toMatchObject({ method: 'GET', status: 404, code: 'not_found' })
    expect(line).not.toHaveProperty('route')
  })

  it('OPTIONS * is 404', async () => {
    expectProblem(await send(broker.port, { method: 'OPTIONS', path: '*' }), 404, 'not_found')
  })

  it.each([
    '/',
    '/page.js',
    '/page.css',
    '/config.json',
    '/openapi.json',
    '/bridge.js',
    '/healthz',
    '/readyz',
  ])('POST and TRACE %s are 405', async (path) => {
    for (const method of ['POST', 'TRACE', 'DELETE', 'OPTIONS']) {
      const answer = await ask({ method, path })
      expectProblem(answer, 405, 'method_not_allowed')
      expect(answer.headers.allow).toBe('GET, HEAD')
    }
  })
})

describe('No answer to any caller', () => {
  it('sets a cookie, names its framework or allows another origin', async () => {
    for (const path of ['/', '/config.json', '/bridge.js', '/healthz', '/widget-token', '/nowhere']) {
      const { headers } = await ask({ path, headers: { origin: 'https://evil.example' } })
      for (const name of ['set-cookie', 'x-powered-by', 'server', 'strict-transport-security']) {
        expect(headers).not.toHaveProperty(name)
      }
      expect(headers['access-control-allow-origin']).toBe(path === '/bridge.js' ? '*' : undefined)
      expect(headers).not.toHaveProperty('access-control-allow-credentials')
    }
  })
})

describe('A session in a cookie', () => {
  let cookies: RunningBroker
  let token: string

  beforeAll(async () => {
    token = await signSession()
    cookies = await startBroker({ WIDGET_BASE_URL: vendor.url, SESSION_JWT_SOURCE: 'cookie:sid' })
  })

  const ask = (cookie: string | string[]) =>
    send(cookies.port, { method: 'POST', path: '/widget-token', headers: { origin: app, cookie } })

  it.each<[string, (session: string) => string | string[]]>([
    ['alone', (session) => `sid=${session}`],
    ['twice the same', (session) => `sid=${session}; sid=${session}`],
    ['among 200 others', (session) => `${'a=b; '.repeat(200)}sid=${session}`],
    ['beside names of the prototype', (session) => `__proto__=x; constructor=y; sid=${session}`],
    ['beside broken ones', (session) => `%zz=%zz; ;;= ; "; sid=${session}`],
    ['beside 15 KB of another', (session) => `big=${'x'.repeat(15_000)}; sid=${session}`],
  ])('is accepted %s', async (_where, cookieOf) => {
    expect((await ask(cookieOf(token))).status).toBe(200)
  })

  it.each<[string, (session: string) => string | string[], number, string]>([
    ['an evil second one in its line', (session) => `sid=${session}; sid=evil`, 400, 'bad_request'],
    ['an evil first one in its line', (session) => `sid=evil; sid=${session}`, 400, 'bad_request'],
    ['an evil second one in another line', (session) => [`sid=${session}`, 'sid=evil'], 400, 'bad_request'],
    ['another name', (session) => `SID=${session}`, 401, 'session_missing'],
    ['a longer name', (session) => `xsid=${session}`, 401, 'session_missing'],
    ['no value', () => 'sid=', 401, 'session_missing'],
    ['a value of 8,193 characters', () => `sid=${'x'.repeat(8193)}`, 401, 'session_invalid'],
    ['a value of broken escapes', () => 'sid=%zz', 401, 'session_invalid'],
  ])('is refused with %s', async (_what, cookieOf, status, code) => {
    const before = vendor.requests.length
    expectProblem(await ask(cookieOf(token)), status, code)
    expect(vendor.requests.length).toBe(before)
  })
})
