import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { startDemo } from '../../src/demo/start.ts'
import { atEnd } from '../peers/clean-up.ts'
import { listen, portOf } from '../peers/listen.ts'

const entry = join(import.meta.dirname, '../../dist/demo/main.js')
let demo: Awaited<ReturnType<typeof startDemo>>

beforeAll(async () => {
  demo = await startDemo({ host: '127.0.0.1', port: 0, sandboxPort: 0, logLevel: 'silent' })
  atEnd(() => demo.close())
})

function post(path: string, body: object = {}, headers: Record<string, string> = {}) {
  return fetch(demo.address + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: demo.address, ...headers },
    body: JSON.stringify(body),
  })
}

async function signIn(user: string, cookie = '') {
  const answer = await post('/demo/sign-in', { user }, { cookie })
  return answer.headers.getSetCookie()[0]!.split(';')[0]!
}

async function askToken(cookie: string) {
  const answer = await post('/widget-token', {}, { cookie, 'cache-control': 'no-cache' })
  return { status: answer.status, ...((await answer.json()) as { token?: string; code?: string }) }
}

function start(env: Record<string, string>) {
  const child = spawn(process.execPath, [entry], { env: { PORT: '0', SANDBOX_PORT: '0', ...env } })
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()))
  return { child, output }
}

describe('The app of the demo', () => {
  test('has a session that the real broker exchanges for a token of its user', async () => {
    const { status, token } = await askToken(await signIn('sam'))
    expect(status).toBe(200)
    expect(await demo.sandbox.tokens.verify(token!)).toMatchObject({ email: 'sam.okafor@example.com' })
  })

  test('keeps its session in a cookie that no script can read and no other site can send', async () => {
    const [cookie] = (await post('/demo/sign-in', { user: 'ada' })).headers.getSetCookie()
    expect(cookie).toMatch(/^demo_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/)
  })

  test('gives a new session id at each sign-in, and the old one ends', async () => {
    const first = await signIn('ada')
    const second = await signIn('ada', first)
    expect(second).not.toBe(first)
    expect((await askToken(first)).status).toBe(401)
    expect((await askToken(second)).status).toBe(200)
  })

  test('ends the session at sign-out', async () => {
    const cookie = await signIn('ada')
    const answer = await post('/demo/sign-out', {}, { cookie })
    expect(answer.headers.getSetCookie()).toEqual([
      'demo_session=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax',
    ])
    expect((await fetch(`${demo.address}/demo/me`, { headers: { cookie } })).status).toBe(401)
  })

  test.each([
    ['another site', { origin: 'https://evil.example' }],
    ['the vendor', { origin: 'http://127.0.0.1:4000', 'sec-fetch-site': 'cross-site' }],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
  ])('cannot be signed in to by %s', async (_who, headers: Record<string, string>) => {
    const answer = await post('/demo/sign-in', { user: 'ada' }, headers)
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(answer.headers.getSetCookie()).toEqual([])
  })

  test.each(['nobody', '__proto__'])('does not know the user %s', async (user) => {
    expect((await post('/demo/sign-in', { user })).status).toBe(400)
  })

  test.each([
    [
      'no JSON',
      '/demo/sign-in',
      { method: 'POST', body: '{', headers: { 'content-type': 'application/json' } },
    ],
    ['a range beyond the end', '/demo/account.js', { headers: { range: 'bytes=999999999-' } }],
  ])('refuses %s as the client’s fault', async (_what, path, init) => {
    const headers = { ...init.headers, 'sec-fetch-site': 'same-origin' }
    expect((await fetch(demo.address + path, { ...init, headers })).status).toBe(400)
  })

  test('ends the token of the signed-in user on demand', async () => {
    const cookie = await signIn('ada')
    const { token } = await askToken(cookie)
    expect((await post('/demo/expire', {}, { cookie })).status).toBe(204)
    expect(await demo.sandbox.tokens.verify(token!)).toBeUndefined()
  })

  test('makes the vendor fail exactly once on demand', async () => {
    const cookie = await signIn('ada')
    await post('/demo/fail', {}, { cookie })
    expect(await askToken(cookie)).toMatchObject({ status: 503, code: 'vendor_rate_limited' })
    await expect.poll(async () => (await askToken(cookie)).status, { timeout: 8000, interval: 500 }).toBe(200)
  })

  test('returns the outcome of a refusal by its request id', async () => {
    const refused = await post('/widget-token', {}, { cookie: 'demo_session=unknown' })
    const outcomeOf = async () =>
      (await fetch(`${demo.address}/demo/outcomes/${refused.headers.get('x-request-id')}`)).json()
    await expect.poll(outcomeOf).toEqual({ outcome: 'answer_status_401' })
    expect(await (await fetch(`${demo.address}/demo/outcomes/unknown`)).json()).toEqual({})
  })

  test.each(['/demo/expire', '/demo/fail'])('lets nobody use %s without a session', async (path) => {
    expect((await post(path)).status).toBe(401)
  })

  test('never shows the vendor key', async () => {
    const [key] = demo.sandbox.credentials.apiKeys
    const paths = ['/', '/page.js', '/config.json', '/demo/accounts', '/demo/account.js', '/bridge.js']
    const pages = paths.map(async (path) => (await fetch(demo.address + path)).text())
    for (const page of await Promise.all(pages)) expect(page).not.toContain(key)
  })
})

describe('npm run demo', () => {
  test('prints one line with an address where the page answers, and ends at SIGTERM', async () => {
    const { child, output } = start({})
    await Promise.race([once(child.stdout, 'data'), once(child, 'close')])
    expect(output.stderr).toBe('')
    const address = /^The demo is ready: (http:\/\/localhost:\d+)\n$/.exec(output.stdout)?.[1]
    const page = await fetch(address!.replace('localhost', '127.0.0.1'))
    expect(page.headers.get('content-security-policy')).toMatch(/frame-src http:\/\/127\.0\.0\.1:\d+;/)
    child.kill('SIGTERM')
    expect(await once(child, 'close')).toEqual([0, null])
    expect(output).toEqual({ stdout: expect.stringMatching(/^[^\n]+\n$/), stderr: '' })
  })

  test.each(['PORT', 'SANDBOX_PORT'])('says in one sentence that %s is in use, and exits 1', async (name) => {
    const occupant = createServer()
    await listen(occupant)
    const port = portOf(occupant)
    const { child, output } = start({ [name]: String(port) })
    expect(await once(child, 'close')).toEqual([1, null])
    expect(output).toEqual({ stdout: '', stderr: `Port ${port} is in use: set ${name} to another port.\n` })
  })
})
