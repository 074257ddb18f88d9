import { EventEmitter, once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { createHttpServer } from '../../src/http/http-server.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { signSession, useBroker } from '../peers/broker.ts'
import { parseAnswers, sendBytes } from '../peers/exchange.ts'
import { listen, portOf } from '../peers/listen.ts'
import { accessLineOf, expectProblem } from '../peers/promises.ts'

const { vendor, broker } = await useBroker({ RATE_LIMIT_PER_MINUTE: '100000' })
const ada = await signSession()
const bob = await signSession({ sub: 'bob', email: 'bob@example.com' })

const health = 'GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

/** A valid token request in bytes, with these header lines besides. */
const post = (lines = '', session = ada, target = '/widget-token') =>
  `POST ${target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${session}\r\n${lines}\r\n`

/** That the first of the bytes is refused, the connection closed, and nothing behind it or at the vendor done. */
async function expectCut(bytes: string, statuses: readonly number[]): Promise<void> {
  vendor.requests.length = 0
  const session = await signSession({ sub: 'behind', email: 'behind@example.com' })
  const [answer, ...others] = await sendBytes(broker.port, bytes + post('', session))
  expect(statuses).toContain(answer?.status)
  expect(answer?.headers).toMatchObject({ connection: 'close', vary: 'Origin' })
  expectProblem(answer!, answer!.status, 'bad_request')
  expect(others).toEqual([])
  expect(vendor.requests).toEqual([])
}

describe('A request that a proxy may read differently is refused, and what follows it is not executed:', () => {
  it.each([
    ['length and chunks', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'],
    ['chunks and length', 'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n'],
    ['two equal lengths', 'Content-Length: 0\r\nContent-Length: 0\r\n'],
    ['two lengths', 'Content-Length: 0\r\nContent-Length: 5\r\n'],
    ['a list of lengths', 'Content-Length: 2, 2\r\n'],
    ['a signed length', 'Content-Length: +2\r\n'],
    ['a negative length', 'Content-Length: -1\r\n'],
    ['a length in hex', 'Content-Length: 0x2\r\n'],
    ['a length beyond 64 bits', 'Content-Length: 99999999999999999999\r\n'],
    ['an unknown coding', 'Transfer-Encoding: xchunked\r\n'],
    ['a second coding', 'Transfer-Encoding: chunked, identity\r\n'],
    ['a coding before chunked', 'Transfer-Encoding: gzip, chunked\r\n'],
    ['two coding lines', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'],
    ['the coding identity', 'Transfer-Encoding: identity\r\n'],
    ['a space before the colon', 'Transfer-Encoding : chunked\r\n'],
    ['a folded line', 'X-A: b\r\n c: d\r\n'],
    ['a bare line feed', 'X-A: b\nX-B: c\r\n'],
    ['a lone carriage return', 'X-A: b\rX-B: c\r\n'],
    ['a zero byte', 'X-A: b\0c\r\n'],
    ['a second Host', 'Host: b\r\n'],
    ['a second equal Host', 'hOsT: a\r\n'],
    ['a header without name', ': x\r\n'],
    ['a header without colon', 'xyz\r\n'],
  ])('%s', (_what, lines) => expectCut(post(lines), [400]))

  // Node 24 refuses them itself.
  it.each([
    ['a hundred headers', 'a:\r\n'.repeat(100)],
    ['a Host behind 2,500 other headers', `${'a:\r\n'.repeat(2_500)}Host: b\r\n`],
  ])('%s', (_what, lines) => expectCut(post(lines), [400, 431]))

  it.each([
    ['no Host', 'GET /healthz HTTP/1.1\r\n\r\n'],
    ['an absolute target', 'GET http://evil.example/healthz HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a fragment in the target', 'POST /widget-token#x HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['HTTP/0.9', 'GET /healthz\r\n\r\n'],
    ['HTTP/2 without negotiation', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['HTTP/1.2', 'GET /healthz HTTP/1.2\r\nHost: a\r\n\r\n'],
    ['an unknown method', 'FOO /healthz HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a method in small letters', 'get /healthz HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a space in the target', 'GET /health z HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a TLS greeting', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['garbage', '\x00\xff\x13\x37 nothing of HTTP'],
  ])('%s', (_what, bytes) => expectCut(bytes, [400]))
})

describe('The parser refuses what is too large:', () => {
  it.each([
    ['a header of 20 KB', `GET / HTTP/1.1\r\nHost: a\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`],
    ['a target of 20 KB', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`],
    ['2,500 headers', `GET / HTTP/1.1\r\nHost: a\r\n${'x-header: value\r\n'.repeat(2_500)}\r\n`],
  ])('%s', (_what, bytes) => expectCut(bytes, [431]))

  it('a chunk extension of 20 KB', () => {
    const json = 'Content-Type: application/json\r\n'
    const extension = `2;${'x'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`
    return expectCut(post(`${json}Transfer-Encoding: chunked\r\n`) + extension, [400, 413])
  })

  it('and says why in one log line, without echoing it', async () => {
    const from = broker.logLines().length
    await sendBytes(broker.port, 'GET / HTTP/1.1\r\nHost: a\r\nCookie: planted\0\r\n\r\n')
    const [line, ...others] = broker.logLines().slice(from)
    expect(line).toMatchObject({ event: 'request_unreadable', status: 400, clientIp: '127.0.0.1' })
    expect(line?.outcome).toMatch(/^HPE_/)
    expect(others).toEqual([])
    expect(broker.logText()).not.toContain('planted')
  })
})

describe('The broker serves what HTTP/1 allows:', () => {
  it.each([
    ['HTTP/1.0', 'GET /healthz HTTP/1.0\r\nHost: a\r\n\r\n'],
    [
      'names of the prototype',
      'GET /healthz HTTP/1.1\r\nHost: a\r\n__proto__: x\r\nconstructor: y\r\nConnection: close\r\n\r\n',
    ],
    [
      'an upgrade to websocket',
      'GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n',
    ],
    [
      'an upgrade to h2c',
      'GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n',
    ],
    ['a body on GET', `GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello${health}`],
  ])('%s', async (_what, bytes) => {
    for (const answer of await sendBytes(broker.port, bytes)) expect(answer.status).toBe(200)
    expect(({} as { x?: unknown }).x).toBeUndefined()
  })

  it('chunks with a session', async () => {
    const lines = 'Content-Type: application/json\r\nTransfer-Encoding: Chunked\r\nConnection: close\r\n'
    const [answer] = await sendBytes(broker.port, `${post(lines)}2\r\n{}\r\n0\r\n\r\n`)
    expect(answer?.status).toBe(200)
  })

  it('pipelined requests, each with the token of its own session', async () => {
    const answers = await sendBytes(
      broker.port,
      post() + post('', bob) + post() + post('Connection: close\r\n', bob),
    )
    const emails = answers.map(({ body }) => {
      const [, payload = ''] = JSON.parse(body).token.split('.')
      return JSON.parse(Buffer.from(payload, 'base64url').toString()).email
    })
    expect(emails).toEqual(['ada@example.com', 'bob@example.com', 'ada@example.com', 'bob@example.com'])
  })

  it('the last request of a connection, whatever follows it', async () => {
    const session = await signSession({ sub: 'last' })
    const answers = await sendBytes(broker.port, `${post('Connection: close\r\n', session)}stray bytes`)
    expect(answers.map(({ status }) => status)).toEqual([200])
  })

  it('a file over HTTP/1.0, with its length, so that half a file is not taken for a whole one', async () => {
    const [answer] = await sendBytes(broker.port, 'GET /bridge.js HTTP/1.0\r\n\r\n')
    expect(answer?.status).toBe(200)
    expect(Number(answer?.headers['content-length'])).toBe(answer?.body.length)
  })

  it('an expectation other than 100-continue is 417, with a line in the log', async () => {
    const [answer] = await sendBytes(broker.port, post('Expect: wonders\r\n'))
    expectProblem(answer!, 417, 'bad_request')
    const { requestId } = JSON.parse(answer!.body)
    expect(broker.logLines().find((line) => line.requestId === requestId)).toMatchObject({
      event: 'request_unreadable',
      status: 417,
      outcome: 'unknown_expectation',
      clientIp: '127.0.0.1',
    })
  })

  it('CONNECT is closed without an answer', async () => {
    expect(await sendBytes(broker.port, 'CONNECT evil.example:443 HTTP/1.1\r\nHost: a\r\n\r\n')).toEqual([])
  })
})

describe('A connection that pipelines too many requests', () => {
  it('is closed and logged once, while other connections are served', async () => {
    const from = broker.logLines().length
    await sendBytes(broker.port, 'GET /bridge.js HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(1_000)).catch(() => [])
    const cuts = broker
      .logLines()
      .slice(from)
      .filter(({ event }) => event === 'connection_cut')
    expect(cuts).toMatchObject([{ outcome: 'too_many_pipelined', clientIp: '127.0.0.1' }])
    expect((await sendBytes(broker.port, health)).map(({ status }) => status)).toEqual([200])
  })

  it('and disconnects leaves a line in the log for each of its requests', async () => {
    vendor.requests.length = 0
    const { release } = vendor.hold()
    const from = broker.logLines().length
    const sessions = await Promise.all(['p1', 'p2', 'p3'].map((sub) => signSession({ sub })))
    const socket = connect(broker.port, '127.0.0.1')
    socket.write(sessions.map((session) => post('', session)).join(''))
    await expect.poll(() => vendor.requests.length).toBe(3)
    socket.destroy()
    const left = () =>
      broker
        .logLines()
        .slice(from)
        .filter(({ status }) => status === 499)
    await expect.poll(left).toHaveLength(3)
    release()
    vendor.answerWith(vendor.giveToken)
  })
})

describe('The server', () => {
  it('has explicit limits', () => {
    const { headersTimeout, requestTimeout, keepAliveTimeout, timeout, maxConnections, maxHeadersCount } =
      broker.server
    expect({
      headersTimeout,
      requestTimeout,
      keepAliveTimeout,
      timeout,
      maxConnections,
      maxHeadersCount,
    }).toEqual({
      headersTimeout: 10_000,
      requestTimeout: 15_000,
      keepAliveTimeout: 65_000,
      maxConnections: 20_000,
      timeout: 130_000,
      maxHeadersCount: 100,
    })
    expect(broker.server.maxRequestsPerSocket).toBe(10_000)
  })

  it('closes a connection whose headers or body do not arrive in time with 408, and serves the others', async () => {
    const hurry = { headersTimeout: 100, requestTimeout: 150, connectionsCheckingInterval: 50 }
    const server = createHttpServer(broker.broker.app, createLogger({ level: 'silent' }), hurry)
    await listen(server)
    const port = portOf(server)
    const header = drip(port, 'GET /healthz HTTP/1.1\r\nHost: a\r\n')
    const json = 'Content-Type: application/json\r\nContent-Length: 900\r\n'
    const body = drip(port, post(json))
    const silence = drip(port, '', '')
    const expecting = drip(port, post(`${json}Expect: 100-continue\r\n`), '')
    expect((await sendBytes(port, health))[0]?.status).toBe(200)
    expect((await header).at(-1)?.status).toBe(408)
    expect((await body).at(-1)?.status).toBe(408)
    expect((await silence).at(-1)?.status).toBe(408)
    expect((await expecting).map(({ status }) => status)).toEqual([100, 408])
  })
})

/** Sends one byte more every 20 ms until the server closes; resolves to its answers. */
async function drip(port: number, start: string, more = 'a') {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.write(start)
  const timer = setInterval(() => more !== '' && socket.writable && socket.write(more), 20)
  await once(socket, 'close')
  clearInterval(timer)
  return parseAnswers(Buffer.concat(chunks).toString('latin1'))
}

describe('Hundreds of garbage connections', () => {
  it('leave the broker serving', async () => {
    const garbage = Array.from({ length: 50 }, (_, index) => Buffer.alloc(64, 128 + index))
    for (let round = 0; round < 12; round += 1) {
      await Promise.all(garbage.map((bytes) => sendBytes(broker.port, bytes.toString('latin1') + '\r\n\r\n')))
    }
    const [answer] = await sendBytes(broker.port, health)
    expect(answer?.status).toBe(200)
  })
})

describe('A client that disconnects', () => {
  it('ends its call to the vendor, and leaves one line in the log that is not an error', async () => {
    const seen = new EventEmitter()
    const [asked, left] = [once(seen, 'asked'), once(seen, 'left')]
    vendor.answerWith((response) => {
      response.once('close', () => seen.emit('left'))
      seen.emit('asked')
    })
    const session = await signSession({ sub: 'eve' })
    const headers = { authorization: `Bearer ${session}`, 'x-request-id': 'impatient' }
    const outgoing = request({
      port: broker.port,
      host: '127.0.0.1',
      path: '/widget-token',
      method: 'POST',
      headers,
    })
    outgoing.on('error', () => undefined)
    outgoing.end()
    await asked
    outgoing.destroy()
    await left
    vendor.answerWith()
    const line = await accessLineOf(broker, 'impatient')
    expect(line).toMatchObject({ status: 499, code: 'client_closed', level: 'info' })
  })
})
