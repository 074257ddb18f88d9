import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  createIntrospectionVerifier,
  type IntrospectionVerifierOptions,
} from '../../src/session/introspection.ts'
import { useBroker } from '../peers/broker.ts'
import { findMixups } from '../peers/crowd.ts'
import { useClient } from '../peers/client.ts'
import { openDoor, type Door } from '../peers/door.ts'
import { answerJson, startEndpoint, type Endpoint } from '../peers/endpoint.ts'
import { bearer, createToken, nowSeconds } from '../peers/token.ts'

const client = useClient({ maxConnections: 16, connectTimeoutMs: 10_000 })
const good = { active: true, sub: 'user-1', email: 'ann@example.com', iss: 'https://id.example.com/' }
let server: Endpoint

beforeEach(async () => {
  server = await startEndpoint(answerJson(good))
})

async function open(changes: Partial<IntrospectionVerifierOptions> = {}): Promise<Door> {
  const verifier = createIntrospectionVerifier({
    client,
    source: ['bearer'],
    endpoint: { url: new URL('/introspect?tenant=1', server.origin) },
    clientId: 'broker',
    clientSecrets: ['secret-of-the-broker'],
    timeoutMs: 10_000,
    rememberMs: 0,
    ...changes,
  })
  return openDoor([verifier])
}

/** Answers by the form that it got. */
function answerForm(answer: (form: URLSearchParams) => unknown): Endpoint['answer'] {
  async function read(request: IncomingMessage, response: ServerResponse): Promise<void> {
    answerJson(answer(new URLSearchParams(await text(request))))(request, response)
  }
  return (request, response) => void read(request, response)
}

const inSeconds = (seconds: number) => nowSeconds() + seconds

describe('The question', () => {
  it('is a form by POST with the token in its body alone', async () => {
    const forms: string[] = []
    server.answer = answerForm((form) => {
      forms.push(form.toString())
      return good
    })
    const door = await open({ source: ['cookie:session'] })
    expect(await door.ask([['Cookie', 'session=a%2Bb%26c; theme=dark']])).toMatchObject({ status: 200 })
    expect(forms).toEqual(['token=a%2Bb%26c&token_type_hint=access_token'])
    const [{ method, url, headers } = { method: '', url: '', headers: {} }] = server.received
    expect([method, url]).toEqual(['POST', '/introspect?tenant=1'])
    expect(headers['content-type']).toBe('application/x-www-form-urlencoded')
    const sent = [
      'accept',
      'accept-encoding',
      'authorization',
      'connection',
      'content-length',
      'content-type',
      'host',
      'user-agent',
    ]
    expect(Object.keys(headers).sort()).toEqual(sent)
  })

  it('sends the client credentials form-encoded, as RFC 6749 §2.3.1 requires', async () => {
    const door = await open({ clientId: 'a:b c', clientSecrets: ['p+q%\u00e9'] })
    await door.ask(bearer('opaque'))
    const [, credentials = ''] = server.received[0]?.headers.authorization?.split(' ') ?? []
    expect(Buffer.from(credentials, 'base64').toString()).toBe('a%3Ab+c:p%2Bq%25%C3%A9')
  })

  it('tries the client secret once more without form-encoding if the server refuses it, and remembers what works', async () => {
    const sent: string[] = []
    server.answer = (request, response) => {
      const [, credentials = ''] = request.headers.authorization?.split(' ') ?? []
      sent.push(Buffer.from(credentials, 'base64').toString())
      answerJson(good, sent.at(-1) === 'broker:p+q%r' ? 200 : 401)(request, response)
    }
    const door = await open({ clientId: 'broker', clientSecrets: ['p+q%r'] })
    for (let request = 0; request < 2; request += 1)
      expect(await door.ask(bearer('opaque'))).toMatchObject({ status: 200 })
    expect(sent).toEqual(['broker:p%2Bq%25r', 'broker:p+q%r', 'broker:p+q%r'])
  })

  it('is asked once for many at a time with one token, and not again while the answer is remembered', async () => {
    const door = await open({ rememberMs: 60_000 })
    await Promise.all(Array.from({ length: 50 }, () => door.ask(bearer('opaque'))))
    expect(await door.ask(bearer('opaque'))).toMatchObject({ status: 200, email: 'ann@example.com' })
    expect(server.received).toHaveLength(1)
  })

  it('is asked each time if nothing may be remembered', async () => {
    const door = await open({ rememberMs: 0 })
    for (let request = 0; request < 3; request += 1) await door.ask(bearer('opaque'))
    expect(server.received).toHaveLength(3)
  })

  it('is asked again when the token itself has expired, however long answers are remembered', async () => {
    server.answer = answerJson({ ...good, exp: inSeconds(-1) })
    const door = await open({ rememberMs: 60_000 })
    expect(await door.ask(bearer('opaque'))).toMatchObject({ status: 200 })
    server.answer = answerJson({ active: false })
    expect(await door.ask(bearer('opaque'))).toMatchObject({ status: 401, outcome: 'inactive' })
  })
})

describe('The answer', () => {
  it.each<[string, object]>([
    ['no dates', good],
    ['an exp ahead', { ...good, exp: inSeconds(60) }],
    ['an exp that passed within the clock tolerance', { ...good, exp: inSeconds(-5) }],
    ['null for dates that it does not have', { ...good, exp: null, nbf: null }],
    ['no issuer', { ...good, iss: undefined }],
    ['an issuer that is no string', { ...good, iss: 7 }],
  ])('is a session with %s', async (_name, answer) => {
    server.answer = answerJson(answer)
    expect(await (await open()).ask(bearer('opaque'))).toMatchObject({
      status: 200,
      email: 'ann@example.com',
    })
  })

  it.each<[string, unknown, string]>([
    ['active is false', { ...good, active: false }, 'inactive'],
    ['active is the string "true"', { ...good, active: 'true' }, 'inactive'],
    ['active is 1', { ...good, active: 1 }, 'inactive'],
    ['active is missing', { ...good, active: undefined }, 'inactive'],
    ['it is a list', [good], 'inactive'],
    ['it is null', null, 'inactive'],
    ['it is the word true', true, 'inactive'],
    ['its exp has passed, by more than the tolerance', { ...good, exp: inSeconds(-35) }, 'expired'],
    ['its exp is a string', { ...good, exp: '9999999999' }, 'claim_exp'],
    ['its nbf is ahead', { ...good, nbf: inSeconds(120) }, 'claim_nbf'],
    ['its nbf is an object', { ...good, nbf: {} }, 'claim_nbf'],
  ])('is a refusal when %s', async (_name, answer, outcome) => {
    server.answer = answerJson(answer)
    const verdict = await (await open()).ask(bearer('opaque'))
    expect(verdict).toMatchObject({ status: 401, code: 'session_invalid', outcome })
  })

  it('is a refusal when the server says that it does not introspect this kind of token', async () => {
    server.answer = answerJson({ error: 'unsupported_token_type' }, 400)
    const verdict = await (await open()).ask(bearer(createToken()))
    expect(verdict).toMatchObject({ status: 401, outcome: 'unsupported_token_type' })
  })

  it('is an outage when the server fails, whatever its body says', async () => {
    server.answer = answerJson({ error: 'unsupported_token_type' }, 500)
    expect(await (await open()).ask(bearer(createToken()))).toMatchObject({ status: 503 })
  })

  it.each<[string, unknown]>([
    ['has none', undefined],
    ['has a list', ['ann@example.com']],
    ['has two', 'ann@example.com, bob@example.com'],
  ])('is 403 when the session is good and %s for email', async (_name, email) => {
    server.answer = answerJson({ ...good, email })
    expect(await (await open()).ask(bearer('opaque'))).toMatchObject({
      status: 403,
      code: 'identity_unusable',
    })
  })
})

describe('the audience of an answer', () => {
  it.each<[string, unknown, number]>([
    ['is one of ours', 'widgets', 200],
    ['has one of ours among others', ['other', 'embed'], 200],
    ['is another', 'other', 401],
    ['is missing', undefined, 401],
    ['is an object', { widgets: true }, 401],
  ])('that %s gives %s', async (_name, aud, status) => {
    server.answer = answerJson({ ...good, aud })
    const door = await open({ audiences: ['widgets', 'embed'] })
    expect(await door.ask(bearer('opaque'))).toMatchObject({ status })
  })
})

/** An authorization server that is found by its issuer, and whose answers have this one. */
async function openByIssuer(iss: unknown): Promise<Door> {
  const document = { issuer: server.origin, introspection_endpoint: `${server.origin}/introspect` }
  server.answer = (request, response) =>
    answerJson(request.method === 'GET' ? document : { ...good, iss })(request, response)
  return open({ endpoint: { issuer: server.origin } })
}

describe('the issuer of an answer', () => {
  it.each<[string, (origin: string) => unknown]>([
    ['is the configured one', (origin) => origin],
    ['is missing', () => undefined],
    ['is null', () => null],
  ])('that %s makes a session', async (_name, issOf) => {
    const door = await openByIssuer(issOf(server.origin))
    expect(await door.ask(bearer('opaque'))).toMatchObject({ status: 200, email: 'ann@example.com' })
  })

  it.each<[string, (origin: string) => unknown]>([
    ['is another', () => 'https://other.example.com'],
    ['has one slash more', (origin) => `${origin}/`],
    ['is a list', (origin) => [origin]],
  ])('that %s is refused with an outcome of its own', async (_name, issOf) => {
    const door = await openByIssuer(issOf(server.origin))
    expect(await door.ask(bearer('opaque'))).toMatchObject({ status: 401, outcome: 'claim_iss' })
  })
})

it('`username` is the email where SESSION_EMAIL_CLAIM names it', async () => {
  const answer = { active: true, sub: 'user-1', username: 'ann@example.com' }
  server.answer = answerJson(answer)
  const { vendor, broker } = await useBroker({
    SESSION_MODE: 'introspection',
    SESSION_JWT_SECRET: undefined,
    SESSION_INTROSPECTION_URL: server.origin,
    SESSION_INTROSPECTION_CLIENT_ID: 'broker',
    SESSION_INTROSPECTION_CLIENT_SECRET: 'secret-of-the-broker',
    SESSION_EMAIL_CLAIM: 'email,username',
  })
  expect((await broker.askToken({ authorization: 'Bearer opaque' })).status).toBe(200)
  server.answer = answerJson({ ...answer, username: 'ann' })
  expect(await (await broker.askToken({ authorization: 'Bearer another' })).json()).toMatchObject({
    code: 'identity_unusable',
  })
  expect(vendor.requests.map(({ headers }) => headers.email)).toEqual(['ann@example.com'])
})

const signedAnswer = (type: string) => (_request: unknown, response: ServerResponse) =>
  void response.writeHead(200, { 'content-type': type }).end(createToken())
const page = (_request: unknown, response: ServerResponse) => void response.end('<html>sign in</html>')
const redirect = (_request: unknown, response: ServerResponse) =>
  void response.writeHead(307, { Location: '/elsewhere' }).end()

describe('An outage', () => {
  it.each<[string, Endpoint['answer'], string]>([
    ['refuses our credentials', answerJson({ error: 'invalid_client' }, 401), 'client_refused'],
    ['finds our request wrong', answerJson({ error: 'invalid_request' }, 400), 'client_refused'],
    ['does not let us ask', answerJson({ error: 'access_denied' }, 403), 'client_refused'],
    ['is not there', answerJson({}, 404), 'answer_status_404'],
    ['fails', answerJson(good, 500), 'answer_status_500'],
    ['redirects', redirect, 'answer_status_307'],
    ['shows a page', page, 'answer_not_json'],
    ['signs its answer (RFC 9701)', signedAnswer('application/token-introspection+jwt'), 'answer_is_jwt'],
    ['answers by a JWT of another type', signedAnswer('application/jwt'), 'answer_is_jwt'],
    ['says nothing', (_request, response) => void response.end(), 'answer_not_json'],
    ['says too much', answerJson({ ...good, padding: 'x'.repeat(100_000) }), 'body_too_large'],
    ['never answers', () => undefined, 'timeout'],
    ['drips', (_request, response) => void response.write('{'), 'timeout'],
    ['hangs up', (_request, response) => void response.destroy(), 'reset'],
  ])('is 503, and nothing is remembered, when the server %s', async (_name, answer, outcome) => {
    server.answer = answer
    const door = await open({ rememberMs: 60_000, timeoutMs: outcome === 'timeout' ? 1000 : 10_000 })
    const verdict = await door.ask(bearer('opaque'))
    expect(verdict).toMatchObject({
      status: 503,
      code: 'session_source_unavailable',
      outcome,
      retryAfter: '5',
    })
    expect(server.received.some(({ url }) => url === '/elsewhere')).toBe(false)
    server.answer = answerJson(good)
    expect(await door.ask(bearer('opaque'))).toMatchObject({ status: 200 })
  })

  it('is 503 if nothing listens', async () => {
    const door = await open()
    await server.close()
    expect(await door.ask(bearer('opaque'))).toMatchObject({ status: 503, outcome: 'connect_refused' })
  })

  it('does not follow from one reset connection, because the question is asked once more', async () => {
    server.answer = (request, response) => {
      if (server.received.length === 1) response.destroy()
      else answerJson(good)(request, response)
    }
    expect(await (await open()).ask(bearer('opaque'))).toMatchObject({ status: 200 })
    expect(server.received).toHaveLength(2)
  })
})

it('a thousand interleaved requests of fifty users each get their own email', async () => {
  server.answer = answerForm((form) => ({ active: true, sub: form.get('token'), email: form.get('token') }))
  const mixups = await findMixups(await open({ rememberMs: 5 }), (email) => bearer(email))
  expect(mixups).toEqual([])
})

it('the id of a verifier differs for two secrets and contains neither', () => {
  const rest = {
    client,
    source: ['bearer'],
    endpoint: { url: new URL('https://id.example.com') },
    timeoutMs: 1,
    rememberMs: 0,
  }
  const ids = ['first-secret', 'second-secret'].map(
    (secret) => createIntrospectionVerifier({ ...rest, clientId: 'broker', clientSecrets: [secret] }).id,
  )
  expect(ids[0]).not.toBe(ids[1])
  expect(ids.join()).not.toContain('secret')
})
