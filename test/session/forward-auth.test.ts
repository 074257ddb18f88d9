import dns from 'node:dns'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import type { HttpClient } from '../../src/outbound/client.ts'
import { createLogger, type Logger } from '../../src/telemetry/logger.ts'
import { createForwardAuthVerifier } from '../../src/session/forward-auth.ts'
import { findMixups } from '../peers/crowd.ts'
import { useClient } from '../peers/client.ts'
import { openDoor, policy, type Door } from '../peers/door.ts'
import { answerJson, startEndpoint, type Endpoint } from '../peers/endpoint.ts'
import { listen, shut } from '../peers/listen.ts'

const ada = { email: 'ada@example.com', sub: 'u1' }
const cookie = ['Cookie', 'sid=abc'] as const

let client: HttpClient
let endpoint: Endpoint

beforeEach(async () => {
  client = useClient({ maxConnections: 64, connectTimeoutMs: 500 })
  endpoint = await startEndpoint(answerJson(ada))
})

interface Changes {
  logger?: Logger
  url?: URL
  timeoutMs?: number
  rememberMs?: number
}

function breakOff(response: ServerResponse): void {
  response.writeHead(200, { 'Content-Length': 100 }).write('{"email":', () => response.destroy())
}

const usual = () => ({
  client,
  timeoutMs: 2_000,
  rememberMs: 30_000,
  identity: policy,
  publicUrls: [],
  logger: createLogger({ level: 'silent' }),
})

async function openForwardDoor(changes: Changes = {}): Promise<Door> {
  const url = new URL('/api/me?fields=email', endpoint.origin)
  const verifier = createForwardAuthVerifier({ ...usual(), url, ...changes })
  return openDoor([verifier])
}

describe('What the endpoint receives', () => {
  test('The endpoint receives the cookies, the bearer token and Accept, at the configured address only', async () => {
    const door = await openForwardDoor()
    await door.ask([
      ['Cookie', 'sid=abc; theme=dark'],
      ['Authorization', 'Bearer t.o.k'],
      ['X-Forwarded-Host', 'evil.example'],
      ['X-Forwarded-For', '192.0.2.1'],
      ['X-Original-URL', '/admin'],
      ['Email', 'someone@example.com'],
      ['Accept', 'text/html'],
      ['User-Agent', 'a browser'],
      ['Origin', 'https://app.example'],
      ['Content-Type', 'application/json'],
    ])
    expect(endpoint.received).toEqual([
      {
        method: 'GET',
        url: '/api/me?fields=email',
        headers: {
          host: new URL(endpoint.origin).host,
          connection: 'keep-alive',
          accept: 'application/json',
          'accept-encoding': 'identity',
          'user-agent': 'a browser',
          'x-forwarded-for': '127.0.0.1',
          cookie: 'sid=abc; theme=dark',
          authorization: 'Bearer t.o.k',
        },
      },
    ])
  })

  test('A credential of another scheme goes along with a cookie', async () => {
    const door = await openForwardDoor()
    await door.ask([cookie, ['Authorization', 'Basic YTpi']])
    expect(endpoint.received[0]?.headers.authorization).toBe('Basic YTpi')
  })

  test('Two cookie lines reach the endpoint as one header, none lost', async () => {
    const door = await openForwardDoor()
    await door.ask([cookie, ['Cookie', 'theme=dark']])
    expect(endpoint.received[0]?.headers.cookie).toBe('sid=abc; theme=dark')
  })

  test('Cookies of twelve kilobytes and bytes beyond ASCII reach the endpoint as they came', async () => {
    const door = await openForwardDoor()
    const long = `sid=${'x'.repeat(12_000)}; name=caf\u00e9; odd="%zz;=`
    const verdict = await door.ask([['Cookie', long]])
    expect([verdict.email, endpoint.received[0]?.headers.cookie]).toEqual([ada.email, long])
  })
})

describe('What counts as a credential', () => {
  test.each([
    ['nothing', []],
    ['an empty cookie header', [['Cookie', '']]],
    ['an empty Authorization', [['Authorization', '']]],
    ['Basic alone', [['Authorization', 'Basic YTpi']]],
    ['a bearer list', [['Authorization', 'Bearer a,b']]],
    ['a bearer scheme without a token', [['Authorization', 'Bearer']]],
  ] as const)('A request with %s is without a session, and the endpoint is not asked', async (_, headers) => {
    const door = await openForwardDoor()
    const verdict = await door.ask(headers)
    expect([verdict.code, endpoint.received.length]).toEqual(['session_missing', 0])
  })

  test('Two different Authorization lines are refused without asking the endpoint', async () => {
    const door = await openForwardDoor()
    const verdict = await door.ask([cookie, ['Authorization', 'Bearer a'], ['Authorization', 'Bearer b']])
    expect([verdict.status, verdict.code, endpoint.received.length]).toEqual([400, 'bad_request', 0])
  })

  test('A bearer token beyond 8 KiB is refused without asking the endpoint', async () => {
    const door = await openForwardDoor()
    const verdict = await door.ask([['Authorization', `Bearer ${'a'.repeat(9_000)}`]])
    expect([verdict.code, endpoint.received.length]).toEqual(['session_invalid', 0])
  })

  test('A bearer token alone is a credential', async () => {
    const door = await openForwardDoor()
    expect(await door.ask([['Authorization', 'bearer a.b.c']])).toMatchObject({
      status: 200,
      email: ada.email,
    })
  })
})

function encoded(encoding: string, body: Buffer): void {
  endpoint.answer = (_request, response) =>
    void response.writeHead(200, { 'Content-Encoding': encoding }).end(body)
}

describe('What the endpoint answers', () => {
  test('200 with JSON is a session with the email in it', async () => {
    const door = await openForwardDoor()
    expect(await door.ask([cookie])).toMatchObject({ status: 200, email: 'ada@example.com' })
  })

  test('JSON after a byte order mark is JSON', async () => {
    endpoint.answer = (_request, response) => void response.end(`\uFEFF${JSON.stringify(ada)}`)
    const door = await openForwardDoor()
    expect(await door.ask([cookie])).toMatchObject({ status: 200, email: ada.email })
  })

  test.each([
    { email: '' },
    { email: ['ada@example.com'] },
    { email: 'ada@example.com, eve@example.com' },
    { email: null, sub: 'u1' },
    { sub: 7 },
  ])('200 with %j is a session without a usable email', async (answer) => {
    endpoint.answer = answerJson(answer)
    const door = await openForwardDoor()
    expect(await door.ask([cookie])).toMatchObject({ status: 403, code: 'identity_unusable' })
  })

  test.each([
    {},
    { user: ada },
    { user: null },
    { email: null },
    { email: null, sub: null },
    { sub: '' },
    JSON.parse('{"__proto__":{"email":"eve@example.com"}}') as object,
    null,
    [],
    [ada],
    'ada@example.com',
    true,
    7,
  ])('200 with %j is signed out, because it names no user', async (answer) => {
    endpoint.answer = answerJson(answer)
    const door = await openForwardDoor()
    const refusal = { status: 401, code: 'session_invalid', outcome: 'answer_without_user' }
    expect(await door.ask([cookie])).toEqual(refusal)
  })

  test.each([401, 403, 302, 303, 307])('%i is signed out, and nothing is followed', async (status) => {
    const elsewhere = await startEndpoint(answerJson({ email: 'eve@example.com' }))
    endpoint.answer = (_request, response) =>
      void response.writeHead(status, { Location: elsewhere.origin }).end(JSON.stringify(ada))
    const door = await openForwardDoor()
    const verdict = await door.ask([cookie])
    await elsewhere.close()
    expect([verdict.status, verdict.code, verdict.outcome, elsewhere.received.length]).toEqual([
      401,
      'session_invalid',
      `answer_status_${status}`,
      0,
    ])
  })

  test.each([301, 308])('%i is an outage: the address has moved, and nothing is followed', async (status) => {
    endpoint.answer = (_request, response) =>
      void response.writeHead(status, { Location: endpoint.origin }).end(JSON.stringify(ada))
    const door = await openForwardDoor()
    expect(await door.ask([cookie])).toMatchObject({ status: 503, outcome: 'answer_moved' })
    expect(endpoint.received).toHaveLength(1)
  })

  test.each([201, 202, 204, 206, 300, 304, 400, 404, 405, 407, 418, 429, 500, 502, 503, 504])(
    '%i is an outage',
    async (status) => {
      endpoint.answer = answerJson(ada, status)
      const door = await openForwardDoor()
      const outcome = `answer_status_${status}`
      const refusal = { status: 503, code: 'session_source_unavailable', outcome, retryAfter: '5' }
      expect(await door.ask([cookie])).toEqual(refusal)
    },
  )

  const json = Buffer.from(JSON.stringify(ada))

  test.each([
    ['gzip', gzipSync(json)],
    ['X-GZIP', gzipSync(json)],
    ['deflate', deflateSync(json)],
    ['deflate', deflateRawSync(json)],
    ['br', brotliCompressSync(json)],
    ['identity', json],
  ])('An answer in %s is decoded, though nobody asked for it', async (encoding, body) => {
    encoded(encoding, body)
    const door = await openForwardDoor()
    expect(await door.ask([cookie])).toMatchObject({ status: 200, email: ada.email })
  })

  const bomb = Buffer.from(JSON.stringify({ ...ada, x: 'x'.repeat(70_000) }))

  test.each([
    ['that decodes to more than 64 KiB', 'gzip', gzipSync(bomb), 'body_too_large'],
    ['that decodes to more than 64 KiB', 'deflate', deflateRawSync(bomb), 'body_too_large'],
    ['that decodes to more than 64 KiB', 'br', brotliCompressSync(bomb), 'body_too_large'],
    ['that is broken', 'gzip', gzipSync(json).subarray(0, -9), 'protocol_error'],
    ['that is broken', 'deflate', Buffer.from('x'), 'protocol_error'],
    ['that is not compressed', 'br', json, 'protocol_error'],
    ['of a kind that is not known', 'zstd', json, 'protocol_error'],
    ['of a kind that is not known', 'constructor', json, 'protocol_error'],
    ['of two kinds', 'gzip, br', gzipSync(json), 'protocol_error'],
    ['without a body', 'gzip', Buffer.alloc(0), 'answer_not_json'],
  ])('An answer %s (%s) is an outage', async (_, encoding, body, outcome) => {
    encoded(encoding, body)
    const door = await openForwardDoor()
    expect(await door.ask([cookie])).toMatchObject({ status: 503, outcome })
  })

  test.each([
    ['a page', '<!doctype html><p>Hello ada@example.com'],
    ['nothing', ''],
    ['half an object', '{"email":"ada@example.com"'],
    ['two objects', '{"email":"ada@example.com"}{}'],
  ])('200 with %s instead of JSON is an outage', async (_, body) => {
    endpoint.answer = (_request, response) => void response.end(body)
    const door = await openForwardDoor()
    expect(await door.ask([cookie])).toMatchObject({ status: 503, outcome: 'answer_not_json' })
  })
})

describe('What the log says of an answer without a user', () => {
  const lines: string[] = []
  const logger = createLogger({ level: 'info', destination: { write: (line) => lines.push(line) } })

  async function fieldsLogged(...answers: unknown[]): Promise<unknown[]> {
    lines.length = 0
    const door = await openForwardDoor({ logger })
    for (const answer of answers) {
      endpoint.answer = answerJson(answer)
      await door.ask([cookie])
    }
    return lines.map((line) => (JSON.parse(line) as { fields: unknown }).fields)
  }

  test('It names the fields that are there, once, and never their values', async () => {
    const answer = { mail: 'ada@example.com', userId: 'u1', active: false, role: null }
    expect(await fieldsLogged(answer, answer)).toEqual([['mail', 'userId', 'active']])
    expect(lines.join()).not.toContain('ada@')
  })

  test('It names the fields of the first entry of a list', async () => {
    expect(await fieldsLogged([{ user_id: 'ada@example.com' }])).toEqual([['0.user_id']])
  })

  test('A mistyped claim is still reported after signed-out visitors got an answer of another form', async () => {
    const [signedOut, signedIn] = [{ isLoggedIn: false }, { isLoggedIn: true, mail: 'ada@example.com' }]
    expect(await fieldsLogged(signedOut, signedIn)).toEqual([['isLoggedIn'], ['isLoggedIn', 'mail']])
  })

  test('It names no field whose name could be a secret or an address', async () => {
    const answer = { 'ada@example.com': 1, ['k'.repeat(41)]: 1, 'a b': 1, mail: 1 }
    expect(await fieldsLogged(answer)).toEqual([['mail']])
  })

  test('It warns of ten different answers at most, with twenty fields each', async () => {
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`field${index}`, 1]))
    const answers = Array.from({ length: 12 }, (_, index) => ({ [`other${index}`]: 1 }))
    const logged = await fieldsLogged(many, ...answers)
    expect([logged.length, (logged[0] as string[]).length]).toEqual([10, 20])
  })

  test.each([{}, null, [], { user: null }])(
    'It says nothing about %j, which has no fields',
    async (answer) => {
      expect(await fieldsLogged(answer)).toEqual([])
    },
  )
})

describe('An endpoint that fails', () => {
  test.each<[string, string, (response: ServerResponse) => unknown]>([
    ['closes without an answer', 'reset', (response) => response.destroy()],
    ['resets', 'reset', (response) => response.socket?.resetAndDestroy()],
    ['stops in the middle', 'reset', breakOff],
    ['never answers', 'timeout', () => undefined],
    ['never ends its answer', 'timeout', (response) => response.write('{"email":"ada@example.com"')],
    ['sends garbage', 'protocol_error', (response) => response.socket?.end('SSH-2.0-OpenSSH\r\n\r\n')],
    ['sends 64 KiB and more', 'body_too_large', (response) => response.end(`"${'x'.repeat(65_536)}"`)],
  ])('An endpoint that %s is an outage (%s), within the deadline', async (_, outcome, misbehave) => {
    endpoint.answer = (_request, response) => void misbehave(response)
    const door = await openForwardDoor({ timeoutMs: 300 })
    expect(await door.ask([cookie])).toMatchObject({ status: 503, outcome, retryAfter: '5' })
  })

  test('A closed port is an outage', async () => {
    const door = await openForwardDoor()
    await endpoint.close()
    expect(await door.ask([cookie])).toMatchObject({ status: 503, outcome: 'connect_refused' })
  })

  test('A name that does not exist is an outage', async () => {
    const door = await openForwardDoor({ url: new URL('http://app.invalid/me') })
    expect(await door.ask([cookie])).toMatchObject({ status: 503, outcome: 'dns_failure' })
  })

  test('A machine without free sockets is overloaded, which is no outage of the endpoint', async () => {
    const fault = Object.assign(new Error('EMFILE'), { code: 'EMFILE' })
    const lookup = ((_name: string, _options: object, done: (error: Error) => void) =>
      done(fault)) as unknown as typeof dns.lookup
    const door = await openForwardDoor({ url: new URL('http://app.test/me') })
    vi.spyOn(dns, 'lookup').mockImplementation(lookup)
    const verdict = await door.ask([cookie]).finally(() => void vi.restoreAllMocks())
    expect(verdict).toMatchObject({ status: 503, code: 'overloaded', outcome: 'machine_exhausted' })
  })

  test('An outage is not remembered: the next request asks again', async () => {
    endpoint.answer = answerJson(ada, 500)
    const door = await openForwardDoor()
    await door.ask([cookie])
    endpoint.answer = answerJson(ada)
    expect(await door.ask([cookie])).toMatchObject({ status: 200 })
  })

  test('A request whose connection breaks is sent once more, and not again', async () => {
    let left = 1
    endpoint.answer = (request, response) => {
      if (left-- > 0) response.destroy()
      else answerJson(ada)(request, response)
    }
    const door = await openForwardDoor({ rememberMs: 0 })
    expect(await door.ask([cookie])).toMatchObject({ status: 200 })
    left = 2
    expect(await door.ask([cookie])).toMatchObject({ status: 503, outcome: 'reset' })
    expect(endpoint.received).toHaveLength(4)
  })

  test('The second try ends at the deadline of the first', async () => {
    endpoint.answer = (_request, response) => {
      if (endpoint.received.length === 1) setTimeout(() => response.destroy(), 2_500)
    }
    const door = await openForwardDoor({ timeoutMs: 3_000 })
    const began = performance.now()
    expect(await door.ask([cookie])).toMatchObject({ status: 503, outcome: 'timeout' })
    expect(endpoint.received).toHaveLength(2)
    expect(performance.now() - began).toBeLessThan(5_500)
  })

  test('An app restarted on the same port is asked on a new connection, without a failed request', async () => {
    const app = createServer(answerJson(ada))
    const url = new URL(await listen(app))
    const door = await openForwardDoor({ url, rememberMs: 0 })
    await door.ask([cookie])
    await shut(app)
    app.listen(Number(url.port), '127.0.0.1')
    await once(app, 'listening')
    expect(await door.ask([cookie])).toMatchObject({ status: 200 })
    await shut(app)
  })
})

describe('What is remembered', () => {
  test('One credential is asked about once, however many requests come at once or later', async () => {
    const door = await openForwardDoor()
    await Promise.all(Array.from({ length: 20 }, () => door.ask([cookie])))
    await door.ask([cookie])
    expect(endpoint.received).toHaveLength(1)
  })

  test.each([
    ['another cookie', [['Cookie', 'sid=abd']]],
    ['the same cookie with a token', [cookie, ['Authorization', 'Bearer a']]],
    ['the cookie text as a token', [['Authorization', 'Bearer sid=abc']]],
  ] as const)('%s is another credential', async (_, headers) => {
    const door = await openForwardDoor()
    await door.ask([cookie])
    await door.ask(headers)
    expect(endpoint.received).toHaveLength(2)
  })

  test('Nothing is remembered where the time to remember is zero', async () => {
    const door = await openForwardDoor({ rememberMs: 0 })
    await door.ask([cookie])
    await door.ask([cookie])
    expect(endpoint.received).toHaveLength(2)
  })

  test('An answer is not reused past the exp in it', async () => {
    endpoint.answer = answerJson({ ...ada, exp: Math.floor(Date.now() / 1000) - 1 })
    const door = await openForwardDoor()
    await door.ask([cookie])
    await door.ask([cookie])
    expect(endpoint.received).toHaveLength(2)
  })

  test('The exp of an answer, in seconds of the wall clock, is the end of the session on the clock of the broker', async () => {
    endpoint.answer = answerJson({ ...ada, exp: Date.now() / 1000 + 60 })
    const url = new URL(endpoint.origin)
    const verifier = createForwardAuthVerifier({ ...usual(), url })
    const { expiresAt } = await verifier.verify('{"cookie":"sid=abc"}', new AbortController().signal)
    expect(Math.abs(expiresAt! - performance.now() - 60_000)).toBeLessThan(20_000)
  })

  test.each([Math.floor(Date.now() / 1000) + 3_600, 'tomorrow', null])(
    'An exp of %j, in the future or not a number, leaves the answer reusable',
    async (exp) => {
      endpoint.answer = answerJson({ ...ada, exp })
      const door = await openForwardDoor()
      await door.ask([cookie])
      await door.ask([cookie])
      expect(endpoint.received).toHaveLength(1)
    },
  )

  test('A refusal is not remembered: a sign-in that keeps its cookie is seen at once', async () => {
    endpoint.answer = answerJson({}, 401)
    const door = await openForwardDoor()
    expect(await door.ask([cookie])).toMatchObject({ code: 'session_invalid' })
    endpoint.answer = answerJson(ada)
    expect(await door.ask([cookie])).toMatchObject({ email: ada.email })
  })

  test.each([0, 30_000])('Each of 1,000 mixed requests gets its own user (%i ms remembered)', async (ms) => {
    endpoint.answer = (request, response) => {
      const email = decodeURIComponent(/sid=([^;]+)/.exec(request.headers.cookie ?? '')?.[1] ?? '')
      setImmediate(() => answerJson({ email })(request, response))
    }
    const door = await openForwardDoor({ rememberMs: ms })
    const mixups = await findMixups(door, (email) => [['Cookie', `sid=${encodeURIComponent(email)}`]])
    expect(mixups).toEqual([])
  })
})
