import dns from 'node:dns'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { signSession, startBroker, validEnvironment, type RunningBroker } from '../peers/broker.ts'
import { makeCertificates, opensslMissing, type Certificates } from '../peers/certificates.ts'
import { startFullListener } from '../peers/full-listener.ts'
import { accessLineOf } from '../peers/promises.ts'
import { giveToken, httpAnswer, startRawVendor, vendorToken, type Act, type RawVendor } from '../peers/raw.ts'
import { answer, rows } from './faults.ts'

const operatorsTurn = /^vendor_(bad_response|rejected)/

/** Undefined only where the test that uses them is skipped. */
let certificates: Certificates
let vendor: RawVendor
let broker: RunningBroker

beforeAll(() => {
  if (opensslMissing === undefined) certificates = makeCertificates()
})

async function meet(act: Act, env: Record<string, string> = {}) {
  vendor = await startRawVendor(act)
  broker = await startBroker({ WIDGET_BASE_URL: vendor.url, ...env })
  const response = await broker.askToken()
  return { response, problem: (await response.json()) as { code: string; detail: string } }
}

describe('A vendor that fails', () => {
  it.each(rows)('with $fault is $code, with the outcome $outcome in the log', async (row) => {
    const { response, problem } = await meet(row.act, row.env)
    const mendable = operatorsTurn.test(row.code)
    expect(problem.code).toBe(row.code)
    expect(response.status).toBe(mendable ? 500 : 503)
    expect(response.headers.get('retry-after') === null).toBe(mendable)
    if (row.retryAfter !== undefined) expect(response.headers.get('retry-after')).toBe(row.retryAfter)
    const requests = row.requests ?? 1
    expect(vendor.requests).toHaveLength(requests)
    expect(vendor.connections).toBeLessThanOrEqual(requests)
    expect(await accessLineOf(broker, response.headers.get('x-request-id'))).toMatchObject({
      level: mendable ? 'error' : 'warn',
      code: row.code,
      outcome: expect.stringMatching(`^(${row.outcome})$`),
      attempts: requests,
      keyId: expect.stringMatching(/^[0-9a-f]{8}$/),
      vendorMs: expect.any(Number),
    })
    for (const secret of [validEnvironment.WIDGET_API_KEY, 'ada@example.com', 'Bearer', 'a-token-1']) {
      expect(broker.logText() + JSON.stringify(problem)).not.toContain(secret)
    }
    vendor.act = giveToken
    const next = await broker.askToken()
    expect(await next.json()).toMatchObject({ token: vendorToken })
    expect(vendor.mostOpen).toBeLessThanOrEqual(requests + 1)
  })
})

describe('A vendor that redirects', () => {
  it.each([301, 302, 303, 307, 308])(
    'is not followed by %i, so that the key goes nowhere else',
    async (status) => {
      const elsewhere = await startRawVendor()
      const { problem } = await meet(
        answer(status, '', { location: `${elsewhere.url}/widget/community-1/signin` }),
      )
      expect(problem.code).toBe('vendor_bad_response')
      expect(broker.logLines().at(-1)).toMatchObject({ outcome: 'unexpected_redirect', vendorStatus: status })
      expect(elsewhere.connections).toBe(0)
    },
  )
})

describe('A vendor with unusual but valid answers', () => {
  it('may send hints before it answers', async () => {
    const { response } = await meet((socket, nth) => {
      socket.write('HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n')
      giveToken(socket, nth)
    })
    expect(response.status).toBe(200)
    expect(vendor.requests).toHaveLength(1)
  })

  it('may start its JSON with a byte order mark, call it text, and add fields', async () => {
    const body = `\uFEFF${JSON.stringify({ token: 'a-token-1', apiKey: 'not for the browser' })}`
    const { response, problem } = await meet(answer(200, body, { 'content-type': 'text/plain' }))
    expect(response.status).toBe(200)
    expect(problem).toEqual({ token: 'a-token-1', subject: expect.any(String) })
  })
})

describe('A vendor that upgrades a connection without a request to do so', () => {
  it('causes neither a token nor a hanging request', async () => {
    const { response } = await meet((socket) =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n'),
    )
    expect(response.status).toBe(503)
    expect(vendor.requests).toHaveLength(2)
  })
})

describe('An unsolicited answer', () => {
  it('never becomes the answer to the next request', async () => {
    const planted = httpAnswer(200, JSON.stringify({ token: 'somebody-elses-token' }))
    await meet((socket, nth) => {
      giveToken(socket, nth)
      if (nth === 1) socket.write(planted)
    })
    const authorization = `Bearer ${await signSession({ sub: 'bob', email: 'bob@example.com' })}`
    const next = await broker.askToken({ authorization })
    expect(await next.json()).toMatchObject({ token: vendorToken })
  })
})

describe('A kept-alive connection', () => {
  const fresh = { 'cache-control': 'no-cache' }

  it('that the vendor closed while idle costs no request', async () => {
    await meet((socket, nth) => {
      giveToken(socket, nth)
      setImmediate(() => socket.end())
    })
    for (let round = 0; round < 20; round += 1) expect((await broker.askToken(fresh)).status).toBe(200)
  })

  it('that fails at its second request is replaced by a new one', async () => {
    await meet((socket, nth) => {
      if (nth === 2) socket.resetAndDestroy()
      else giveToken(socket, nth)
    })
    expect((await broker.askToken(fresh)).status).toBe(200)
    expect(vendor.requests).toHaveLength(3)
    expect(broker.logLines().findLast(({ event }) => event === 'token_issued')).toMatchObject({ attempts: 2 })
  })
})

describe('A machine at its limits', () => {
  afterEach(() => void vi.restoreAllMocks())

  it.each(['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'EADDRNOTAVAIL'])(
    'that answers a call by %s makes the broker overloaded, and is not tried again',
    async (code) => {
      vendor = await startRawVendor()
      broker = await startBroker({ WIDGET_BASE_URL: 'https://vendor.test' })
      const fault = Object.assign(new Error(code), { code })
      const lookup = ((_name: string, _options: object, done: (error: Error) => void) =>
        done(fault)) as unknown as typeof dns.lookup
      vi.spyOn(dns, 'lookup').mockImplementation(lookup)
      const response = await broker.askToken()
      expect(response.headers.get('retry-after')).toBe('2')
      expect(await response.json()).toMatchObject({ status: 503, code: 'overloaded' })
      expect(broker.logLines().at(-1)).toMatchObject({ outcome: 'machine_exhausted', attempts: 1 })
    },
  )
})

describe('A vendor that cannot be reached', () => {
  it.each([
    ['has no address', 'https://vendor.invalid', 'dns_failure'],
    ['refuses connections', 'http://127.0.0.1:9', 'connect_refused'],
  ])('because it %s is retried once, and is vendor_unavailable', async (_reason, url, outcome) => {
    vendor = await startRawVendor()
    broker = await startBroker({ WIDGET_BASE_URL: url })
    const response = await broker.askToken()
    expect(await response.json()).toMatchObject({ status: 503, code: 'vendor_unavailable' })
    expect(broker.logLines().at(-1)).toMatchObject({ outcome, attempts: 2 })
  })

  it.skipIf(opensslMissing)(
    'because its certificate is self-signed is a problem for the operator, and receives no request',
    async () => {
      vendor = await startRawVendor(giveToken, certificates.selfSigned)
      broker = await startBroker({ WIDGET_BASE_URL: vendor.url })
      const response = await broker.askToken()
      expect(await response.json()).toMatchObject({ status: 500, code: 'vendor_bad_response' })
      expect(broker.logLines().at(-1)).toMatchObject({ outcome: 'tls_failure', attempts: 1 })
      expect(vendor.requests).toEqual([])
    },
  )

  it('because it accepts no more connections is given up at the deadline', async () => {
    const full = await startFullListener()
    vendor = await startRawVendor()
    broker = await startBroker({ WIDGET_BASE_URL: full.url, VENDOR_TIMEOUT_MS: '3000' })
    const response = await broker.askToken()
    expect(response.status).toBe(503)
    const line = broker.logLines().at(-1)
    expect(line).toMatchObject({
      attempts: 2,
      outcome: expect.stringMatching(/^(connect_timeout|timeout_connect)$/),
    })
  })
})
