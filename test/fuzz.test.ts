import fc from 'fast-check'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { useBroker } from './peers/broker.ts'
import { parseAnswers, type Answer } from './peers/exchange.ts'

const { vendor, broker } = await useBroker({
  SESSION_JWT_SOURCE: 'bearer,cookie:sid,header:x-token',
  RATE_LIMIT_PER_MINUTE: '1000000',
})

/** Sends bytes and the end of the stream; resolves to whatever comes back. */
async function sendAll(bytes: string): Promise<Answer[]> {
  const socket = connect(broker.port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.end(Buffer.from(bytes, 'latin1'))
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  await new Promise((resolve) => socket.once('close', resolve))
  return parseAnswers(Buffer.concat(chunks).toString('latin1'), true)
}

const latin1 = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) })
const word = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}$/)
const path = fc.oneof(
  fc.constantFrom('/', '/widget-token', '/healthz', '/readyz', '/bridge.js', '/config.json', '*', ''),
  latin1,
  fc.webPath(),
)
const method = fc.oneof(fc.constantFrom('GET', 'POST', 'OPTIONS', 'HEAD', 'TRACE', 'PUT'), word)
const ownHeaders = fc.constantFrom(
  'Host',
  'Origin',
  'Sec-Fetch-Site',
  'Sec-Fetch-Mode',
  'Sec-Fetch-Dest',
  'Authorization',
  'Cookie',
  'X-Token',
  'Content-Type',
  'Content-Length',
  'Content-Encoding',
  'Transfer-Encoding',
  'Cache-Control',
  'X-Request-Id',
  'X-Forwarded-For',
  'Expect',
  'Upgrade',
  'Connection',
  'If-None-Match',
  'Range',
  'Access-Control-Request-Method',
)
const value = fc.oneof(
  fc.constantFrom(
    'a',
    'close',
    'chunked',
    '5',
    'same-origin',
    'https://app.example.com',
    'null',
    'application/json',
  ),
  fc.constantFrom(
    'Bearer a.b.c',
    'Bearer eyJhbGciOiJub25lIn0.e30.',
    'sid=a; sid=b',
    'sid=%zz',
    '__proto__=x',
    '"',
  ),
  latin1,
)
const header = fc.tuple(fc.oneof(ownHeaders, word), value).map(([name, text]) => `${name}: ${text}\r\n`)
const message = fc
  .tuple(
    method,
    path,
    fc.constantFrom('1.1', '1.1', '1.0', '0.9'),
    fc.array(header, { maxLength: 8 }),
    latin1,
  )
  .map(([verb, target, version, headers, body]) => {
    return `${verb} ${target} HTTP/${version}\r\nHost: a\r\n${headers.join('')}\r\n${body}`
  })

const options = { interruptAfterTimeLimit: 2_000, numRuns: 4_000, markInterruptAsFailure: false }

describe('Random input', () => {
  it('as a request gets an HTTP answer that is never a 5xx, and causes no call to the vendor without a session', async () => {
    await fc.assert(
      fc.asyncProperty(message, async (bytes) => {
        for (const { status } of await sendAll(bytes)) expect(status).toBeLessThan(500)
      }),
      options,
    )
    expect(vendor.requests).toEqual([])
  })

  it('as raw bytes gets the same', async () => {
    await fc.assert(
      fc.asyncProperty(latin1, async (bytes) => {
        for (const { status } of await sendAll(bytes)) expect(status).toBeLessThan(500)
      }),
      { ...options, interruptAfterTimeLimit: 500 },
    )
    expect(vendor.requests).toEqual([])
  })

  it('leaves the broker serving, with JSON objects of known fields in its log', async () => {
    expect((await broker.askToken()).status).toBe(200)
    const known = new Set(
      'time level event msg requestId method route status code durationMs clientIp peer outcome subject'.split(
        ' ',
      ),
    )
    const lines = broker.logLines().filter(({ event }) => event !== 'token_issued')
    expect(lines.length).toBeGreaterThan(10)
    expect(
      [...new Set(lines.flatMap((line) => Object.keys(line)))].filter((name) => !known.has(name)),
    ).toEqual([])
  })
})
