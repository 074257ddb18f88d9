import { createServer } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { Validator } from '@seriousme/openapi-schema-validator'
import { describe, expect, it } from 'vitest'
import { createHttpServer } from '../../src/http/http-server.ts'
import { logRequests } from '../../src/http/request-log.ts'
import { createExactRouter } from '../../src/http/router.ts'
import { writeProblem } from '../../src/http/write-problem.ts'
import type { ProblemCode } from '../../src/problems.ts'
import { version } from '../../src/routes/page.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { compareAnswer, readApi } from '../peers/api-document.ts'
import { signSession, startBroker, useBroker } from '../peers/broker.ts'
import { parseAnswers, send, sendBytes, type Answer, type Question } from '../peers/exchange.ts'
import { listen, portOf } from '../peers/listen.ts'
import { mintVendorToken, startVendor, type VendorAnswer } from '../peers/vendor.ts'

const accessKey = {
  RAI_ACCESS_ID: 'access-id-1',
  RAI_ACCESS_KEY: 'access-key-1',
  RAI_USER_IDENTIFIERS: 'data-customer-id=sub',
}
const embedVendor = await startVendor()
embedVendor.answerWith(async (response) => {
  const data = { embedToken: await mintVendorToken('ada@example.com', 900), expiresIn: 900 }
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ data }))
})
const { broker } = await useBroker({ ...accessKey, RAI_API_URL: embedVendor.url })
const api = await readApi(broker.url)

interface Spoiled extends Question {
  headers?: Record<string, string | string[]>
  claims?: Record<string, unknown>
}

/** Asks for a token as a script of the allowed page does; each row spoils or adds one thing. */
async function askToken(url: string, { headers, claims, ...question }: Spoiled = {}): Promise<Answer> {
  const authorization = `Bearer ${await signSession(claims)}`
  const sent = { origin: 'https://app.example.com', authorization, ...headers }
  return send(url, { method: 'POST', path: '/widget-token', ...question, headers: sent })
}

/** Asks a broker with these settings, whose vendor answers like this. */
async function askWith(environment: Record<string, string>, answer?: VendorAnswer, spoiled?: Spoiled) {
  const own = await useBroker(environment)
  own.vendor.answerWith(answer)
  return askToken(own.broker.url, spoiled)
}

const answerStatus =
  (status: number): VendorAnswer =>
  (response) =>
    void response.writeHead(status).end()

/** The real writer of problems, behind a bug. */
async function askBroken() {
  const app = createExactRouter()
  app.use(logRequests(silentLogger))
  app.post('/widget-token', () => {
    throw new Error('a bug')
  })
  app.use(writeProblem)
  return askToken(await listen(createServer(app)))
}

describe('GET /openapi.json', () => {
  it('is valid OpenAPI 3.1', async () => {
    const { valid, errors } = await new Validator().validate({ ...structuredClone(api) })
    expect({ valid, errors }).toEqual({ valid: true, errors: undefined })
  })

  it('has every route of the broker, except files that only the page loads and withdrawn versions', async () => {
    const served = broker.broker.app.router.stack.flatMap(({ route }) => route?.path ?? [])
    expect(Object.keys(api.paths).filter((path) => !served.includes(path))).toEqual([])
    for (const path of served.filter((each) => api.paths[each] === undefined)) {
      const { status, headers } = await send(broker.url, { path })
      if (status === 404) continue
      expect(headers['cross-origin-resource-policy']).toBe('same-origin')
      expect(headers['content-type']).toMatch(/^text\/(javascript|css);/)
    }
  })

  it('has only the doors that are configured', async () => {
    const { broker: signinOnly } = await useBroker()
    expect((await readApi(signinOnly.url)).paths).not.toHaveProperty('/embed-token')
    const embedOnly = await startBroker({ ...accessKey, WIDGET_API_KEY: '', WIDGET_COMMUNITY_ID: '' })
    const { paths } = await readApi(embedOnly.url)
    expect(paths).not.toHaveProperty('/widget-token')
    expect(paths).toHaveProperty('/embed-token')
  })

  it('has no page if the page is off', async () => {
    const { broker: other } = await useBroker({ STATUS_PAGE: 'off' })
    const { paths } = await readApi(other.url)
    expect(['/', '/config.json', '/bridge.js'].filter((path) => path in paths)).toEqual(['/bridge.js'])
  })

  it('names the public addresses', async () => {
    const publicUrl = 'https://app.example.com/widgets'
    const { broker: other } = await useBroker({ PUBLIC_URL: `${publicUrl}/,https://widgets.example.com` })
    expect((await readApi(other.url)).servers).toEqual([
      { url: publicUrl },
      { url: 'https://widgets.example.com' },
    ])
  })

  it('answers 304 for an unchanged document', async () => {
    const { headers } = await send(broker.url, { path: '/openapi.json' })
    const again = { path: '/openapi.json', headers: { 'if-none-match': headers.etag! } }
    const unchanged = await send(broker.url, again)
    expect(unchanged.status).toBe(304)
    expect(compareAnswer(api, 'GET /openapi.json', unchanged)).toEqual([])
  })
})

describe('An answer matches its description:', () => {
  it.each(['/widget-token', '/widget-token?widget=store-widget', '/embed-token'])('POST %s', async (path) => {
    const answer = await askToken(broker.url, { path })
    expect(answer.status).toBe(200)
    expect(compareAnswer(api, `POST ${path.split('?')[0]}`, answer)).toEqual([])
  })

  it.each([
    '/',
    '/config.json',
    '/bridge.js',
    '/embed.js',
    `/bridge-${version}.js`,
    `/embed-${version}.js`,
    '/healthz',
    '/readyz',
    '/openapi.json',
  ])('GET %s', async (path) => {
    const answer = await send(broker.url, { path })
    expect(answer.status).toBe(200)
    expect(compareAnswer(api, `GET ${path}`, answer)).toEqual([])
  })

  const problems: Record<ProblemCode, () => Promise<Answer>> = {
    bad_request: () => askToken(broker.url, { headers: { authorization: ['Bearer a', 'Bearer b'] } }),
    session_missing: () => askToken(broker.url, { headers: { authorization: [] } }),
    session_invalid: () => askToken(broker.url, { headers: { authorization: 'Bearer x' } }),
    origin_not_allowed: () => askToken(broker.url, { headers: { origin: 'https://evil.example' } }),
    identity_unusable: () => askToken(broker.url, { claims: { email: undefined } }),
    email_unverified: () => askToken(broker.url, { claims: { email_verified: false } }),
    email_domain_not_allowed: () => askWith({ SESSION_EMAIL_DOMAINS: 'example.org' }),
    not_found: async () => askToken((await startBroker({ ...accessKey, WIDGET_API_KEY: '' })).url),
    method_not_allowed: () => askToken(broker.url, { method: 'PUT' }),
    payload_too_large: () => askToken(broker.url, { ...json, body: `"${'x'.repeat(2000)}"` }),
    unsupported_media_type: () => askToken(broker.url, { body: 'text' }),
    rate_limited: async () => {
      const limited = await useBroker({ RATE_LIMIT_PER_MINUTE: '1', TOKEN_CACHE_SECONDS: '0' })
      await askToken(limited.broker.url)
      return askToken(limited.broker.url)
    },
    internal: askBroken,
    vendor_rejected_credentials: () => askWith({}, answerStatus(401)),
    vendor_rejected_request: () => askWith({}, answerStatus(404)),
    vendor_bad_response: () => askWith({}, answerStatus(200)),
    vendor_unavailable: async () => askToken((await startBroker()).url),
    vendor_timeout: () => askWith({ VENDOR_TIMEOUT_MS: '100' }, () => undefined),
    vendor_rate_limited: () => askWith({}, answerStatus(429)),
    session_source_unavailable: () => {
      const source = { SESSION_MODE: 'forward-auth', SESSION_FORWARD_URL: 'http://127.0.0.1:9/me' }
      const headers = { authorization: [], cookie: 'sid=1', 'sec-fetch-site': 'same-origin' }
      return askWith({ ...source, SESSION_JWT_SECRET: '' }, undefined, { headers })
    },
    overloaded: async () => {
      const busy = await useBroker({ VENDOR_MAX_CONNECTIONS: '1', VENDOR_MAX_QUEUE: '0' })
      const { asked, release } = busy.vendor.hold()
      const first = askToken(busy.broker.url)
      await asked
      const refused = await askToken(busy.broker.url, {
        claims: { sub: 'grace', email: 'grace@example.com' },
      })
      release()
      await first
      return refused
    },
    shutting_down: async () => {
      const stopping = await useBroker()
      const { asked } = stopping.vendor.hold()
      const refused = askToken(stopping.broker.url)
      await asked
      stopping.broker.broker.lifecycle.refuseOpen()
      return refused
    },
  }

  const json = { headers: { 'content-type': 'application/json' } }

  it.each(Object.entries(problems))('%s', async (code, provoke) => {
    const answer = await provoke()
    expect(JSON.parse(answer.body).code).toBe(code)
    expect(compareAnswer(api, 'POST /widget-token', answer)).toEqual([])
  })

  it('a probe of a replica that stops', async () => {
    const { broker: stopping } = await useBroker()
    stopping.broker.lifecycle.drain()
    const answer = await send(stopping.url, { path: '/readyz' })
    expect(answer.status).toBe(503)
    expect(compareAnswer(api, 'GET /readyz', answer)).toEqual([])
  })

  it.each([
    [413, `Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(17_000)}`],
    [417, 'Content-Length: 0\r\nExpect: a-miracle\r\nConnection: close\r\n\r\n'],
    [431, `Cookie: ${'x'.repeat(17_000)}\r\n\r\n`],
  ])('%s of the HTTP parser', async (status, rest) => {
    const [answer] = await sendBytes(broker.port, `POST /widget-token HTTP/1.1\r\nHost: a\r\n${rest}`)
    expect(answer!.status).toBe(status)
    expect(compareAnswer(api, 'POST /widget-token', answer!)).toEqual([])
  })

  it('408 of the HTTP parser', async () => {
    const hurry = { headersTimeout: 50, requestTimeout: 100, connectionsCheckingInterval: 20 }
    const server = createHttpServer(broker.broker.app, silentLogger, hurry)
    await listen(server)
    const socket = connect(portOf(server), '127.0.0.1')
    socket.write('POST /widget-token HTTP/1.1\r\n')
    const [answer] = parseAnswers(await text(socket))
    expect(answer!.status).toBe(408)
    expect(compareAnswer(api, 'POST /widget-token', answer!)).toEqual([])
  })
})

describe('A test of answers', () => {
  it('finds each difference from the description', async () => {
    const answer = await askToken(broker.url)
    const { token: _token, ...rest } = JSON.parse(answer.body)
    const body = JSON.stringify({ ...rest, expiresIn: '9', more: 1 })
    const { 'x-request-id': _id, ...headers } = answer.headers
    expect(compareAnswer(api, 'POST /widget-token', { ...answer, headers, body })).toEqual([
      'no X-Request-Id',
      " must have required property 'token'",
      ' must NOT have additional properties',
      '/expiresIn must be integer',
    ])
    expect(compareAnswer(api, 'POST /widget-token', { ...answer, status: 418 })).toHaveLength(1)
  })
})
