import { connect } from 'node:net'
import { once } from 'node:events'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { signSession, useBroker } from '../peers/broker.ts'
import { parseAnswers, send } from '../peers/exchange.ts'
import { accessLineOf, expectProblem } from '../peers/promises.ts'

const { vendor, broker } = await useBroker({ RATE_LIMIT_PER_MINUTE: '100000' })
const session = `Bearer ${await signSession()}`

const json = { 'content-type': 'application/json' }

/** A token request with this body, sent with its length unless it is to be chunked. */
function post(body: string | Buffer, headers: Record<string, string | string[]> = json) {
  return send(broker.port, {
    method: 'POST',
    path: '/widget-token',
    headers: { authorization: session, 'content-length': String(Buffer.byteLength(body)), ...headers },
    body,
  })
}

const chunked = { 'transfer-encoding': 'chunked', 'content-length': [] as string[] }

describe('A body that is ignored', () => {
  it.each([
    ['nothing', '', json],
    ['nothing, of any type', '', { 'content-type': 'text/plain' }],
    ['an empty object', '{}', json],
    ['an empty object in chunks', '{}', { ...json, ...chunked }],
    ['another email', '{"email":"bob@example.com"}', json],
    ['a prototype', '{"__proto__":{"admin":true}}', json],
    ['a constructor', '{"constructor":{"prototype":{"admin":true}}}', json],
    ['null', 'null', json],
    ['half a document', '{"a"', json],
    ['deep nesting', '['.repeat(1024), json],
    ['1,024 bytes', `"${'a'.repeat(1022)}"`, json],
    ['a charset', '{}', { 'content-type': 'application/json; charset=utf-8' }],
    ['a charset in quotes and capitals', '{}', { 'content-type': 'Application/JSON;Charset="UTF-8"' }],
  ])('%s', async (_what, body, headers) => {
    const answer = await post(body, headers)
    expect(answer.status).toBe(200)
    expect(JSON.parse(answer.body).subject).toBe(JSON.parse((await post('')).body).subject)
    expect(({} as { admin?: unknown }).admin).toBeUndefined()
    expect(vendor.requests.every((request) => request.headers.email === 'ada@example.com')).toBe(true)
  })

  it('leaves its connection usable for the next request', async () => {
    const one = `POST /widget-token HTTP/1.1\r\nHost: a\r\nAuthorization: ${session}\r\n`
    const body = 'Content-Type: application/json\r\nContent-Length: 40\r\n\r\n'
    const smuggled = 'GET /nowhere HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n'.slice(0, 40)
    const socket = connect(broker.port, '127.0.0.1')
    socket.write(`${one}${body}${smuggled}${one}Connection: close\r\n\r\n`)
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk)
    const answers = parseAnswers(Buffer.concat(chunks).toString())
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
  })
})

describe('A body that is refused and closes its connection', () => {
  it.each([
    ['plain text', '{}', { 'content-type': 'text/plain' }],
    ['a form', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['parts', '--x', { 'content-type': 'multipart/form-data; boundary=x' }],
    ['no type', '{}', {}],
    ['two types', '{}', { 'content-type': 'application/json, text/plain' }],
    ['almost JSON', '{}', { 'content-type': 'application/jsonp' }],
    ['another charset', '{}', { 'content-type': 'application/json; charset=utf-7' }],
    ['another parameter', '{}', { 'content-type': 'application/json; q=1' }],
    ['gzip', gzipSync('{}'), { ...json, 'content-encoding': 'gzip' }],
    ['broken gzip', '{}', { ...json, 'content-encoding': 'gzip' }],
    ['brotli', '{}', { ...json, 'content-encoding': 'br' }],
    ['an unknown encoding', '{}', { ...json, 'content-encoding': 'foo' }],
    ['a large body of a wrong type', 'a'.repeat(2048), { 'content-type': 'text/plain' }],
  ])('415 for %s', async (_what, body, headers) => {
    const answer = await post(body, headers)
    expectProblem(answer, 415, 'unsupported_media_type')
    expect(answer.headers).toMatchObject({ connection: 'close', vary: 'Origin' })
    const line = await accessLineOf(broker, answer.headers['x-request-id'])
    expect(line).toMatchObject({ status: 415, code: 'unsupported_media_type' })
  })

  it.each([
    ['1,025 bytes', 'a'.repeat(1025), json],
    ['2 KB in chunks', 'a'.repeat(2048), { ...json, ...chunked }],
  ])('413 for %s', async (_what, body, headers) => {
    const answer = await post(body, headers)
    expectProblem(answer, 413, 'payload_too_large')
    expect(answer.headers).toMatchObject({ connection: 'close', vary: 'Origin' })
    const line = await accessLineOf(broker, answer.headers['x-request-id'])
    expect(line).toMatchObject({ status: 413, code: 'payload_too_large' })
  })

  it.each([
    ['a gigabyte that is announced', 'Content-Length: 1000000000\r\n\r\n'],
    ['chunks without end', `Transfer-Encoding: chunked\r\n\r\n800\r\n${'a'.repeat(2048)}\r\n`],
  ])('%s is 413 at once, without waiting for the rest', async (_what, rest) => {
    const socket = connect(broker.port, '127.0.0.1')
    socket.write('POST /widget-token HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n')
    socket.write(rest)
    const [chunk] = await once(socket, 'data')
    await once(socket, 'close')
    expectProblem(parseAnswers(String(chunk))[0]!, 413, 'payload_too_large')
  })

  it('is not echoed', async () => {
    for (const headers of [json, { 'content-type': 'text/planted' }]) {
      const answer = await post(`"${'planted'.repeat(200)}"`, headers)
      expect(JSON.stringify(answer)).not.toContain('planted')
    }
    expect(broker.logText()).not.toContain('planted')
  })
})
