import { beforeEach, describe, expect, it, vi } from 'vitest'
import { startBroker, useBroker, signSession, type RunningBroker } from '../peers/broker.ts'
import { send, sendBytes } from '../peers/exchange.ts'
import { accessLineOf } from '../peers/promises.ts'

let broker: RunningBroker

beforeEach(async () => {
  broker = (await useBroker({ TRUST_PROXY: '10.0.0.0/8', LOG_LEVEL: 'debug' })).broker
})

const linesOf = (event: string | undefined) => broker.logLines().filter((line) => line.event === event)
const names = (line: Record<string, unknown>) => Object.keys(line).sort()

describe('The log', () => {
  it('has one line for a request, with a fixed list of fields', async () => {
    const answer = await broker.askToken()
    const line = await accessLineOf(broker, answer.headers.get('x-request-id'))
    expect(names(line)).toEqual(
      ['clientIp', 'durationMs', 'level', 'method', 'requestId', 'route', 'status', 'subject', 'time'].sort(),
    )
    expect(line.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    expect(line.durationMs).toBeGreaterThan(0)
    expect(line.subject).toBe((await answer.json()).subject)
  })

  it('has one audit line for a minted token, and none for a reused one', async () => {
    const authorization = `Bearer ${await signSession()}`
    for (let index = 0; index < 3; index += 1) await broker.askToken({ authorization })
    const issued = broker.logLines().filter(({ event }) => event === 'token_issued')
    expect(issued).toEqual([
      {
        time: expect.any(String),
        level: 'info',
        event: 'token_issued',
        door: 'signin',
        requestId: expect.any(String),
        subject: expect.stringMatching(/^[\w-]{22}$/),
        sessionMode: 'jwt',
        origin: 'https://app.example.com',
        vendorMs: expect.any(Number),
        attempts: 1,
        keyId: expect.stringMatching(/^[0-9a-f]{8}$/),
      },
    ])
  })

  it('names the route by its template, and contains neither path nor query', async () => {
    await send(broker.port, { path: '/healthz?planted=1' })
    await send(broker.port, { path: '/planted' })
    const routes = () => broker.logLines().map(({ route }) => route)
    await vi.waitFor(() => expect(routes()).toEqual(['/healthz', undefined]))
    expect(broker.logText()).not.toContain('planted')
  })

  it.each(['/healthz', '/readyz'])('shows a request to %s only at level debug', async (path) => {
    const quiet = await startBroker()
    for (const asked of [broker, quiet]) {
      await send(asked.port, { path })
      await send(asked.port, { path: '/config.json' })
      await vi.waitFor(() => expect(asked.logLines().map(({ route }) => route)).toContain('/config.json'))
    }
    expect(broker.logLines()).toMatchObject([{ level: 'debug', route: path }, { level: 'info' }])
    expect(quiet.logLines()).toMatchObject([{ level: 'info', route: '/config.json' }])
  })

  it.each([
    ['an id of letters, digits and -_.', 'Ab-1_2.3', true],
    ['an id of 64 characters', 'a'.repeat(64), true],
    ['an id of 65 characters', 'a'.repeat(65), false],
    ['an empty id', '', false],
    ['an id with a space', 'a b', false],
    ['an id with a quote', '"}{"', false],
    ['an id with Latin-1', 'é', false],
  ])('keeps or replaces %s', async (_what, given, kept) => {
    const { headers } = await send(broker.port, { path: '/healthz', headers: { 'x-request-id': given } })
    const id = String(headers['x-request-id'])
    expect(id).toMatch(kept ? given : /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    expect((await accessLineOf(broker, id)).route).toBe('/healthz')
  })

  it('replaces an id that is sent twice', async () => {
    const { headers } = await send(broker.port, { path: '/healthz', headers: { 'x-request-id': ['a', 'b'] } })
    expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('uses X-Forwarded-For only from a listed proxy', async () => {
    for (let index = 1; index <= 3; index += 1) {
      await send(broker.port, { path: '/healthz', headers: { 'x-forwarded-for': `203.0.113.${index}` } })
    }
    const expected = Array.from({ length: 3 }, () => ({ clientIp: '127.0.0.1' }))
    await vi.waitFor(() => expect(linesOf(undefined)).toMatchObject(expected))
  })

  it.each(['loopback', 'uniquelocal, loopback', '127.0.0.1'])(
    'uses X-Forwarded-For from a proxy on this machine if TRUST_PROXY is %s',
    async (TRUST_PROXY) => {
      const behind = await startBroker({ TRUST_PROXY, LOG_LEVEL: 'debug' })
      await send(behind.port, { path: '/healthz', headers: { 'x-forwarded-for': '203.0.113.7' } })
      await vi.waitFor(() => expect(behind.logLines()).toMatchObject([{ clientIp: '203.0.113.7' }]))
    },
  )

  it('warns once, with the peer, when a proxy that TRUST_PROXY does not name sends X-Forwarded-For', async () => {
    for (let index = 0; index < 3; index += 1)
      await send(broker.port, { path: '/healthz', headers: { 'x-forwarded-for': '203.0.113.7' } })
    await vi.waitFor(() =>
      expect(linesOf('untrusted_proxy')).toMatchObject([{ level: 'warn', peer: '127.0.0.1' }]),
    )
    expect(JSON.stringify(linesOf('untrusted_proxy'))).toContain('TRUST_PROXY')
  })

  it.each([
    ['the address that it adds', '198.51.100.1, 203.0.113.7', '203.0.113.7'],
    ['the nearest address beyond the proxies', '198.51.100.1, 203.0.113.7, 127.0.0.9', '203.0.113.7'],
    ['IPv6', '2001:db8::1', '2001:db8::1'],
    ['IPv4 in IPv6', '::ffff:203.0.113.7', '203.0.113.7'],
    ['a word', 'unknown', '127.0.0.1'],
    ['an address with a port', '203.0.113.7:51234', '203.0.113.7'],
    ['IPv6 with a port', '[2001:db8::1]:443', '2001:db8::1'],
    ['what is beyond a proxy with a port', '203.0.113.7:51234, 127.0.0.9:443', '203.0.113.7'],
    ['an address with too many ports', '203.0.113.7:1:2', '127.0.0.1'],
    ['an address with a zone', 'fe80::1%eth0"}', '127.0.0.1'],
    ['nothing', '', '127.0.0.1'],
    ['a hundred addresses', Array(100).fill('203.0.113.9').join(', '), '203.0.113.9'],
  ])('reads X-Forwarded-For of a listed proxy with %s', async (_what, forwarded, clientIp) => {
    const behind = await startBroker({ TRUST_PROXY: '127.0.0.0/8', LOG_LEVEL: 'debug' })
    await send(behind.port, {
      path: '/healthz',
      headers: { 'x-forwarded-for': forwarded, forwarded: 'for=1.2.3.4' },
    })
    await vi.waitFor(() => expect(behind.logLines()).toMatchObject([{ clientIp }]))
  })
})

describe('No content of a request adds a line to the log or breaks one:', () => {
  const hostile = [
    '\\n{"level":"fatal"}',
    '\u001b[31mred\u001b[0m',
    Buffer.from('\u2028\u2029').toString('latin1'),
    '"}\\u000a{"planted":"1"}',
    'x'.repeat(8_000),
  ]

  it.each(hostile.map((text) => [JSON.stringify(text).slice(0, 40), text]))('%s', async (_what, text) => {
    const path = encodeURIComponent(text)
    const lines = ['User-Agent', 'Origin', 'X-Request-Id', 'X-Forwarded-For', 'Referer', 'Sec-Fetch-Site']
    const kid = Buffer.from(JSON.stringify({ alg: 'HS256', kid: text.slice(0, 2_000) })).toString('base64url')
    for (const header of lines) {
      const head = `POST /widget-token?${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n`
      const fields = `Authorization: Bearer ${kid}.e30.x\r\n${header}: ${text}\r\n\r\n`
      await sendBytes(broker.port, Buffer.from(head + fields, 'latin1'))
    }
    await sendBytes(broker.port, `GET /${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    await vi.waitFor(() => expect(broker.logLines().length).toBeGreaterThan(lines.length))
    const written = broker.logText().split('\n')
    expect(written.pop()).toBe('')
    expect(written.filter((line) => !line.includes('untrusted_proxy'))).toHaveLength(lines.length + 1)
    for (const line of written) expect(() => JSON.parse(line)).not.toThrow()
    for (const part of ['fatal', 'red', 'planted', 'xxxx', '\u2028', '\u001b']) {
      expect(broker.logText()).not.toContain(part)
    }
  })
})
