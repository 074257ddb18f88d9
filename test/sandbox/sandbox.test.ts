import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { parse } from 'dotenv'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createSandbox } from '../../src/sandbox/sandbox.ts'
import { sampleCredentials } from '../../src/sandbox/credentials.ts'
import { listen, portOf } from '../peers/listen.ts'

const sandbox = createSandbox()
const server = createServer(sandbox.app)
const signinPath = `/widget/${sampleCredentials.communityId}/signin`
const goodHeaders = {
  'returningai-api-key': sampleCredentials.apiKey,
  email: 'ada@example.com',
  'content-type': 'application/json',
}
const goodBody = {
  accessId: sampleCredentials.accessId,
  accessKey: sampleCredentials.accessKey,
  userIdentifiers: { 'data-email': 'ada@example.com' },
}
let origin = ''

beforeAll(async () => {
  origin = await listen(server)
})

beforeEach(() => {
  sandbox.requests.length = 0
  sandbox.faults.set('none')
})

function signIn(spoiled: Record<string, string | undefined> = {}, path = signinPath, method = 'POST') {
  const present = Object.entries({ ...goodHeaders, ...spoiled }).filter((pair) => pair[1] !== undefined)
  const options: RequestInit = { method, redirect: 'manual', signal: AbortSignal.timeout(2000) }
  return fetch(origin + path, { ...options, headers: present })
}

async function mintToken(email = 'ada@example.com') {
  const { token } = (await (await signIn({ email })).json()) as { token: string }
  return token
}

function postJson(path: string, body: unknown, headers: Record<string, string> = {}) {
  return fetch(origin + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
}

function readWidget(type: string, token?: string) {
  const headers: HeadersInit = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return fetch(`${origin}/widget-content/${type}/64f0c0ffee0c0ffee0c0ffee`, { headers })
}

async function listed() {
  return (await (await fetch(`${origin}/sandbox/requests`)).json()) as {
    requests: Record<string, unknown>[]
  }
}

const errorOf = async (response: Response) => [
  response.status,
  ((await response.json()) as { error: string }).error,
]

describe('signin', () => {
  test('answers a valid request without a body with an HS256 token for that email, valid for about five minutes', async () => {
    const token = await mintToken('ada@example.com')
    const { email, iat, exp } = decodeJwt(token)
    expect(decodeProtectedHeader(token).alg).toBe('HS256')
    expect([email, exp! - iat!]).toEqual(['ada@example.com', 300])
  })

  test('gives two different tokens within one second', async () => {
    expect(await mintToken()).not.toBe(await mintToken())
  })

  test.each([
    ['a key that is not its own', { 'returningai-api-key': 'wrong' }, 401, 'api_key_wrong'],
    ['no key', { 'returningai-api-key': undefined }, 401, 'api_key_missing'],
    ['no email', { email: undefined }, 400, 'email_missing'],
    ['an empty email', { email: '' }, 400, 'email_missing'],
    ['two emails', { email: 'a@example.com, b@example.com' }, 400, 'email_malformed'],
    ['no content type', { 'content-type': undefined }, 415, 'content_type_wrong'],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, 415, 'content_type_wrong'],
  ])('refuses %s and says so', async (_what, spoiled, status, error) => {
    expect(await errorOf(await signIn(spoiled))).toEqual([status, error])
  })

  test('refuses another community and another method', async () => {
    expect(await errorOf(await signIn({}, '/widget/elsewhere/signin'))).toEqual([404, 'community_unknown'])
    const get = await signIn({}, signinPath, 'GET')
    expect(get.headers.get('allow')).toBe('POST')
    expect(await errorOf(get)).toEqual([405, 'method_wrong'])
  })

  test('accepts a key that is added while it runs, and refuses one that is deleted', async () => {
    sandbox.credentials.apiKeys.add('second-key')
    expect((await signIn({ 'returningai-api-key': 'second-key' })).status).toBe(200)
    sandbox.credentials.apiKeys.delete('second-key')
    expect((await signIn({ 'returningai-api-key': 'second-key' })).status).toBe(401)
  })
})

describe('Access Key Embed', () => {
  const path = '/v2/api/widget-access-keys/token'

  test('answers valid credentials with an embed token for the data-email, valid for 15 minutes', async () => {
    const { data } = (await (await postJson(path, goodBody)).json()) as {
      data: { embedToken: string; expiresIn: number }
    }
    expect([decodeJwt(data.embedToken).email, data.expiresIn]).toEqual(['ada@example.com', 900])
  })

  test.each([
    ['a wrong access key', { ...goodBody, accessKey: 'wrong' }, 401, 'access_key_wrong'],
    ['a wrong access id', { ...goodBody, accessId: 'wrong' }, 401, 'access_key_wrong'],
    [
      'an identifier without data-',
      { ...goodBody, userIdentifiers: { email: 'a@b.co' } },
      400,
      'request_malformed',
    ],
    ['no identifiers', { accessId: 'a', accessKey: 'b' }, 400, 'request_malformed'],
    ['a body that is no object', 'text', 400, 'request_malformed'],
  ])('refuses %s and says so', async (_what, body, status, error) => {
    expect(await errorOf(await postJson(path, body))).toEqual([status, error])
  })
  async function mintEmbedToken() {
    const answer = (await (await postJson(path, goodBody)).json()) as { data: { embedToken: string } }
    return answer.data.embedToken
  }

  const page = 'https://shop.example.com'
  const validatePath = '/v2/api/widget-access-keys/validate'
  const validate = (embedToken: string, origin = page) => postJson(validatePath, { embedToken }, { origin })

  test('exchanges an embed token for an access token of five minutes, which opens the content', async () => {
    const answer = await validate(await mintEmbedToken())
    expect(answer.headers.get('access-control-allow-origin')).toBe(page)
    const { data } = (await answer.json()) as { data: { accessToken: string; expiresIn: number } }
    expect(data).toEqual({ accessToken: expect.any(String), expiresIn: 300 })
    expect((await readWidget('store-widget', data.accessToken)).status).toBe(200)
    expect(await errorOf(await validate(data.accessToken))).toEqual([401, 'token_refused'])
  })

  test('accepts an embed token for nothing else, and no widget token as an embed token', async () => {
    expect((await readWidget('store-widget', await mintEmbedToken())).status).toBe(401)
    expect(await errorOf(await validate(await mintToken()))).toEqual([401, 'token_refused'])
    expect(await errorOf(await postJson(validatePath, {}))).toEqual([400, 'request_malformed'])
  })

  test('answers pages on the allowed origins only, also before a preflight', async () => {
    sandbox.credentials.allowedOrigins.add(page)
    const token = await mintEmbedToken()
    const preflight = (origin: string) => fetch(origin, { method: 'OPTIONS', headers: { origin: page } })
    expect((await validate(token)).status).toBe(200)
    expect((await preflight(origin + validatePath)).headers.get('access-control-allow-headers')).toMatch(
      /content-type/i,
    )
    expect(await errorOf(await validate(token, 'https://evil.example'))).toEqual([403, 'origin_refused'])
    sandbox.credentials.allowedOrigins.clear()
  })

  test('refuses a revoked access key at once, until it is restored', async () => {
    const token = await mintEmbedToken()
    expect((await postJson('/sandbox/access-key', { revoked: true })).status).toBe(200)
    expect(await errorOf(await postJson(path, goodBody))).toEqual([401, 'access_key_wrong'])
    expect((await validate(token)).status).toBe(200)
    await postJson('/sandbox/access-key', { revoked: false })
    expect((await postJson(path, goodBody)).status).toBe(200)
  })
})

describe('widget pages', () => {
  test.each([
    'channel-widget',
    'channel',
    'store-widget',
    'store',
    'milestone-widget',
    'milestone',
    'currency-overview-widget',
    'currency',
    'social-widget',
    'social',
    'minigames',
  ])('%s is a page of its own, and its content needs a token', async (type) => {
    const page = await fetch(`${origin}/${type}/64f0c0ffee0c0ffee0c0ffee?color=dark`)
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    expect((await readWidget(type)).status).toBe(401)
    expect(await (await readWidget(type, await mintToken())).json()).toMatchObject({
      email: 'ada@example.com',
    })
  })

  test('a public leaderboard shows its content to anyone, with or without a slug', async () => {
    const page = await fetch(`${origin}/custom-leaderboards/64f0c0ffee0c0ffee0c0ffee/may`)
    expect([page.status, (await readWidget('custom-leaderboards')).status]).toEqual([200, 200])
  })

  test('allow no inline script or style, and let any site frame them', async () => {
    const policy = (await fetch(`${origin}/channel/1`)).headers.get('content-security-policy')
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/)
    expect(policy).toContain('frame-ancestors *')
  })

  test.each(['/unknown-widget/1', '/channel/has%20space', '/channel/1/slug', '/channel'])(
    '%s is 404',
    async (path) => {
      expect((await fetch(origin + path)).status).toBe(404)
    },
  )

  test.each(['', 'junk', 'eyJhbGciOiJub25lIn0.eyJlbWFpbCI6ImFAYi5jbyJ9.'])(
    'their content refuses %j as a token',
    async (token) => {
      expect((await readWidget('channel', token)).status).toBe(401)
    },
  )

  test("their content refuses another sandbox's token", async () => {
    const foreign = await createSandbox().tokens.mint('ada@example.com')
    expect((await readWidget('channel', foreign)).status).toBe(401)
  })
})

describe('faults', () => {
  test.each([
    ['refuse-key', 401],
    ['rate-limit', 429],
    ['server-error', 500],
    ['redirect', 307],
    ['no-token', 200],
  ])('%s happens as often as requested, and then stops', async (fault, status) => {
    const set = await postJson('/sandbox/faults', { fault, count: 2 })
    expect(await set.json()).toEqual({ fault, count: 2 })
    const answers = [await signIn(), await signIn()]
    expect(answers.map((answer) => answer.status)).toEqual([status, status])
    expect(await answers[0]!.text()).not.toContain('"token"')
    expect(await mintToken()).toBeTypeOf('string')
  })

  test('rate-limit says when to retry', async () => {
    sandbox.faults.set('rate-limit')
    expect((await signIn()).headers.get('retry-after')).toBe('2')
  })

  test('bad-json breaks off inside the JSON', async () => {
    sandbox.faults.set('bad-json')
    await expect(signIn().then((answer) => answer.json())).rejects.toThrow(SyntaxError)
  })

  test('timeout never answers', async () => {
    sandbox.faults.set('timeout')
    const hanging = fetch(origin + signinPath, {
      method: 'POST',
      headers: goodHeaders,
      signal: AbortSignal.timeout(300),
    })
    await expect(hanging).rejects.toThrow('timeout')
  })

  test('slow-body sends the headers at once and then an endless trickle of bytes', async () => {
    sandbox.faults.set('slow-body')
    const answer = await signIn()
    const reader = answer.body!.getReader()
    expect(answer.status).toBe(200)
    expect([(await reader.read()).value, (await reader.read()).value].map(String)).toEqual(['32', '32'])
    await reader.cancel()
  })

  test('short-lived gives a token of two seconds', async () => {
    sandbox.faults.set('short-lived')
    const { iat, exp } = decodeJwt(await mintToken())
    expect(exp! - iat!).toBe(2)
  })

  test('also apply to Access Key Embed', async () => {
    sandbox.faults.set('server-error')
    expect((await postJson('/v2/api/widget-access-keys/token', goodBody)).status).toBe(500)
  })

  test('none clears what was set', async () => {
    await postJson('/sandbox/faults', { fault: 'timeout', count: 5 })
    await postJson('/sandbox/faults', { fault: 'none' })
    expect((await signIn()).status).toBe(200)
  })

  test('name the missing content type, as for a plain curl -d', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const answer = await postJson('/sandbox/faults', { fault: 'server-error' }, headers)
    expect(answer.status).toBe(400)
    expect(await answer.text()).toContain('Content-Type: application/json')
  })

  test.each([
    { fault: 'earthquake' },
    { fault: 'timeout', count: 0 },
    { fault: 'timeout', cuont: 2 },
    'timeout',
  ])('refuse the order %j with a reason', async (order) => {
    const answer = await postJson('/sandbox/faults', order)
    expect(answer.status).toBe(400)
    expect(((await answer.json()) as { message: string }).message.length).toBeGreaterThan(10)
  })
})

describe('The list of requests', () => {
  test('shows method, path, header names, email, whether the key is valid, fault and status', async () => {
    await signIn()
    const { requests } = await listed()
    expect(requests).toHaveLength(1)
    expect(requests[0]).toMatchObject({
      method: 'POST',
      path: signinPath,
      email: 'ada@example.com',
      credential: 'match',
      bodyBytes: 0,
      status: 200,
    })
    expect(requests[0]!.headerNames).toContain('returningai-api-key')
  })

  test('contains neither a key nor a token, whether the key was right or wrong', async () => {
    const token = await mintToken()
    await signIn({ 'returningai-api-key': 'wrong-key-canary' })
    await postJson('/v2/api/widget-access-keys/token', goodBody)
    const text = JSON.stringify(await listed())
    for (const secret of [token, sampleCredentials.apiKey, 'wrong-key-canary', sampleCredentials.accessKey])
      expect(text).not.toContain(secret)
    expect(sandbox.requests.map((request) => request.credential)).toEqual(['match', 'mismatch', 'match'])
  })

  test('shows a client that follows a redirect', async () => {
    sandbox.faults.set('redirect')
    await fetch(origin + signinPath, { method: 'POST', headers: goodHeaders })
    expect(sandbox.requests.map((request) => request.path)).toEqual([signinPath, '/sandbox/redirected'])
  })

  test('is cleared by DELETE', async () => {
    await signIn()
    expect((await fetch(`${origin}/sandbox/requests`, { method: 'DELETE' })).status).toBe(204)
    expect(await listed()).toEqual({ requests: [] })
  })
})

describe('expiry', () => {
  test('of one user ends the tokens minted so far, but not later ones or those of others', async () => {
    const [old, other] = [await mintToken('ada@example.com'), await mintToken('lin@example.com')]
    await postJson('/sandbox/expire', { email: 'ada@example.com' })
    const renewed = await mintToken('ada@example.com')
    const statuses = [old, other, renewed].map(async (token) => (await readWidget('store', token)).status)
    expect(await Promise.all(statuses)).toEqual([401, 200, 200])
  })

  test('without an email ends the tokens of all users', async () => {
    const token = await mintToken()
    await postJson('/sandbox/expire', {})
    expect((await readWidget('store', token)).status).toBe(401)
  })

  test('happens at the end of the lifetime', async () => {
    const past = await sandbox.tokens.mint('ada@example.com', -1)
    expect((await readWidget('store', past)).status).toBe(401)
  })
})

describe('The switches', () => {
  test.each([
    'https://evil.example',
    'null',
    'http://localhost.evil.example',
    'http://127.0.0.1.evil.example',
  ])('refuse a page of %s', async (foreign) => {
    const answer = await postJson('/sandbox/faults', { fault: 'timeout' }, { origin: foreign })
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([403, null])
    expect((await signIn()).status).toBe(200)
  })

  test.each(['http://localhost:3000', 'http://127.0.0.1:3000', 'http://[::1]'])(
    'serve a page of %s',
    async (local) => {
      const preflight = await fetch(`${origin}/sandbox/faults`, {
        method: 'OPTIONS',
        headers: { origin: local },
      })
      const answer = await postJson('/sandbox/expire', {}, { origin: local })
      expect([preflight.status, answer.status]).toEqual([204, 204])
      expect(answer.headers.get('access-control-allow-origin')).toBe(local)
    },
  )

  test('do not accept what a plain form can send', async () => {
    const form = await fetch(`${origin}/sandbox/expire`, { method: 'POST', body: '{}' })
    expect(form.status).toBe(400)
  })
})

describe('npm run sandbox', () => {
  const entry = join(import.meta.dirname, '../../dist/sandbox/main.js')

  test('prints settings with which both doors open, and ends at SIGTERM', async () => {
    const child = spawn(process.execPath, [entry], { env: { SANDBOX_PORT: '0' } })
    const [printed] = (await once(child.stdout, 'data')) as [Buffer]
    const settings = parse(printed)
    const answer = await fetch(`${settings.WIDGET_BASE_URL}/widget/${settings.WIDGET_COMMUNITY_ID}/signin`, {
      method: 'POST',
      headers: { ...goodHeaders, 'returningai-api-key': settings.WIDGET_API_KEY! },
    })
    expect(answer.status).toBe(200)
    const { RAI_API_URL, RAI_ACCESS_ID: accessId, RAI_ACCESS_KEY: accessKey } = settings
    const embed = await fetch(`${RAI_API_URL}/v2/api/widget-access-keys/token`, {
      method: 'POST',
      body: JSON.stringify({ ...goodBody, accessId, accessKey }),
    })
    expect(embed.status).toBe(200)
    const [, type, id] = /^([a-z-]+):([0-9a-f]{24})$/.exec(settings.WIDGETS!)!
    expect((await fetch(`${settings.WIDGET_BASE_URL}/${type}/${id}`)).status).toBe(200)
    child.kill('SIGTERM')
    expect(await once(child, 'close')).toEqual([0, null])
  })

  test('accepts a key of your own and does not print it', async () => {
    const env = {
      SANDBOX_PORT: '0',
      SANDBOX_API_KEY: 'own-key-canary',
      SANDBOX_ACCESS_KEY: 'own-access-canary',
    }
    const child = spawn(process.execPath, [entry], { env })
    const [printed] = (await once(child.stdout, 'data')) as [Buffer]
    expect(printed.toString()).not.toMatch(/canary/)
    child.kill('SIGTERM')
    await once(child, 'close')
  })

  test('says in one sentence that its port is in use, and exits 1', async () => {
    const port = portOf(server)
    const child = spawn(process.execPath, [entry], { env: { SANDBOX_PORT: String(port) } })
    const [said] = (await once(child.stderr, 'data')) as [Buffer]
    expect(said.toString()).toBe(`Port ${port} is in use: set SANDBOX_PORT to another port.\n`)
    expect(await once(child, 'close')).toEqual([1, null])
  })
})
