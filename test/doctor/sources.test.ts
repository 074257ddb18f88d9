import { createServer } from 'node:http'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createSandbox } from '../../src/sandbox/sandbox.ts'
import { diagnose, printed } from '../peers/doctor.ts'
import { answerJson, startEndpoint, type Endpoint } from '../peers/endpoint.ts'
import { broker as client, startIdentityProvider, type IdentityProvider } from '../peers/identity-provider.ts'
import { listen } from '../peers/listen.ts'
import { createRedisServer, redisMissing } from '../peers/redis.ts'

const email = 'zoe.planted@example.com'
const apiKey = 'planted-api-key-1'
const sandbox = createSandbox({ apiKeys: [apiKey] })
const vendor = createServer(sandbox.app)
let environment: Record<string, string>
let app: Endpoint
let provider: IdentityProvider

beforeAll(async () => {
  app = await startEndpoint(answerJson({}))
  provider = await startIdentityProvider()
  environment = {
    WIDGET_BASE_URL: await listen(vendor),
    WIDGET_COMMUNITY_ID: 'sandbox-community',
    WIDGET_API_KEY: apiKey,
    SUBJECT_KEY: 'planted-subject-key',
    SESSION_MODE: 'forward-auth',
    SESSION_FORWARD_URL: `${app.origin}/me`,
  }
})

beforeEach(() => {
  app.answer = answerJson({ error: 'not signed in' }, 401)
  app.received.length = 0
  sandbox.faults.set('none')
})

const examine = (changes: Record<string, string> = {}, cwd?: string) =>
  diagnose(['--email', email], { ...environment, ...changes }, cwd)

const folder = () => mkdtempSync(join(tmpdir(), 'doctor-'))

function writeSecret(content: string, mode: number, directory = folder()): string {
  const path = join(directory, 'secret')
  writeFileSync(path, content)
  chmodSync(path, mode)
  return path
}

describe('key_source', () => {
  it('passes for a file that others cannot read, and says where the secrets come from', async () => {
    const { find } = await examine({ WIDGET_API_KEY: '', WIDGET_API_KEY_FILE: writeSecret(apiKey, 0o600) })
    expect(find('key_source')).toMatchObject({
      status: 'pass',
      seen: expect.stringMatching(/SUBJECT_KEY.*WIDGET_API_KEY_FILE/),
    })
  })

  it('fails for a file that others can read', async () => {
    const { code, find } = await examine({
      WIDGET_API_KEY: '',
      WIDGET_API_KEY_FILE: writeSecret(apiKey, 0o644),
    })
    expect(find('key_source')).toMatchObject({
      status: 'fail',
      seen: expect.stringContaining('WIDGET_API_KEY_FILE'),
      advice: expect.stringContaining('chmod'),
    })
    expect(code).toBe(1)
  })

  it('fails for a secret in a file that git tracks, and names the file', async () => {
    const cwd = folder()
    writeFileSync(join(cwd, 'deploy.sh'), `export WIDGET_API_KEY=${apiKey}\n`)
    expect(spawnSync('git', ['init', '-q', cwd]).status).toBe(0)
    expect((await examine({}, cwd)).find('key_source').status).toBe('pass')
    expect(spawnSync('git', ['-C', cwd, 'add', 'deploy.sh']).status).toBe(0)
    const { code, find } = await examine({}, cwd)
    expect(find('key_source')).toMatchObject({ status: 'fail', seen: expect.stringContaining('deploy.sh') })
    expect(code).toBe(1)
  })

  it('warns of an .env that others can read', async () => {
    const cwd = folder()
    writeFileSync(join(cwd, '.env'), `SUBJECT_KEY=planted-subject-key\n`)
    chmodSync(join(cwd, '.env'), 0o644)
    expect((await examine({}, cwd)).find('key_source').status).toBe('warn')
    chmodSync(join(cwd, '.env'), 0o600)
    expect((await examine({}, cwd)).find('key_source').status).toBe('pass')
  })
})

describe('vendor_signin', () => {
  it('signs the user in once with each key, and fails for the one that is refused', async () => {
    sandbox.requests.length = 0
    const path = writeSecret(`${apiKey}\nplanted-second-key`, 0o600)
    const { code, find } = await examine({ WIDGET_API_KEY: '', WIDGET_API_KEY_FILE: path })
    expect(find('vendor_signin')).toMatchObject({
      status: 'fail',
      seen: expect.stringMatching(
        /^key [0-9a-f]{8}: accepted; key [0-9a-f]{8}: vendor_rejected_credentials \(.*status 401\)$/,
      ),
      advice: expect.stringContaining('WIDGET_COMMUNITY_ID'),
    })
    expect(sandbox.requests).toHaveLength(2)
    expect(code).toBe(1)
  })

  it('fails for a community that the vendor does not know', async () => {
    const { code, find } = await examine({ WIDGET_COMMUNITY_ID: 'another' })
    expect(find('vendor_signin')).toMatchObject({
      status: 'fail',
      advice: expect.stringContaining('WIDGET_COMMUNITY_ID'),
    })
    expect(code).toBe(1)
  })

  it('fails with exit code 2 when the vendor fails', async () => {
    sandbox.faults.set('server-error', 10)
    const { code, find } = await examine()
    expect(find('vendor_signin')).toMatchObject({
      status: 'fail',
      seen: expect.stringContaining('vendor_unavailable'),
    })
    expect(code).toBe(2)
  })
})

describe('widget_pages', () => {
  it('fails for a widget that the vendor does not know, and names it', async () => {
    const { code, find } = await examine({ WIDGETS: 'channel-widget:64f0c2a1b3d4e5f607182931,no-such:1' })
    expect(find('widget_pages')).toMatchObject({ status: 'fail', seen: 'no-such:1: 404' })
    expect(code).toBe(1)
  })

  it('is skipped if no widget is configured', async () => {
    expect((await examine()).find('widget_pages').status).toBe('skipped')
  })
})

describe('clock', () => {
  it.each([
    [25, 'pass', 0],
    [-40, 'fail', 1],
    [40, 'fail', 1],
  ])('at %i s from the clock of the vendor is judged %s', async (seconds, status, exitCode) => {
    app.answer = (_request, response) => {
      response.setHeader('date', new Date(Date.now() + seconds * 1000).toUTCString())
      response.writeHead(404).end()
    }
    const signedOut = await startEndpoint(answerJson({}, 401))
    const { code, find } = await diagnose([], {
      ...environment,
      WIDGET_BASE_URL: app.origin,
      SESSION_FORWARD_URL: signedOut.origin,
    })
    await signedOut.close()
    expect(find('clock').status).toBe(status)
    expect(code).toBe(exitCode)
  })

  it('fails with exit code 2 when the vendor does not answer', async () => {
    const { code, find } = await diagnose([], { ...environment, WIDGET_BASE_URL: 'http://127.0.0.1:9' })
    expect(find('clock')).toMatchObject({ status: 'fail', seen: expect.stringContaining('connect_refused') })
    expect(code).toBe(2)
  })
})

describe('session_source with forward-auth', () => {
  it.each([
    ['401', answerJson({}, 401)],
    ['a redirect', answerJson({}, 302)],
    ['200 without a user', answerJson({ user: null })],
  ])('passes when a caller without a session gets %s', async (_what, answer) => {
    app.answer = answer
    const { code, find } = await examine()
    expect(find('session_source').status).toBe('pass')
    expect(app.received).toHaveLength(1)
    expect(code).toBe(0)
  })

  it.each([
    ['a user', answerJson({ email: 'ada@example.com' }), 1, 'accepted'],
    ['404', answerJson({}, 404), 1, 'answer_status_404'],
    ['a redirect for good', answerJson({}, 301), 1, 'answer_moved'],
    ['500', answerJson({}, 500), 2, 'answer_status_500'],
  ])('fails when a caller without a session gets %s', async (_what, answer, exitCode, seen) => {
    app.answer = answer
    const { code, find } = await examine()
    expect(find('session_source')).toMatchObject({ status: 'fail', seen: expect.stringContaining(seen) })
    expect(code).toBe(exitCode)
  })

  it('sends a cookie that SESSION_FORWARD_COOKIES names', async () => {
    await examine({ SESSION_FORWARD_COOKIES: 'sid' })
    expect(app.received[0]?.headers.cookie).toMatch(/^sid=/)
  })
})

const jwt = () => ({
  SESSION_MODE: 'jwt',
  SESSION_JWT_JWKS_URL: provider.jwksUrl.href,
  SESSION_JWT_ISSUER: provider.issuer,
  SESSION_JWT_AUDIENCE: 'widgets',
})
const introspection = () => ({
  SESSION_MODE: 'introspection',
  SESSION_INTROSPECTION_URL: provider.introspectionUrl.href,
  SESSION_INTROSPECTION_CLIENT_ID: client.id,
  SESSION_INTROSPECTION_CLIENT_SECRET: client.secret,
})

describe('session_source with tokens of a provider', () => {
  it('passes when its keys are found and its introspection answers', async () => {
    const { code, find } = await examine({ ...jwt(), ...introspection(), SESSION_MODE: 'jwt,introspection' })
    expect(find('session_source')).toMatchObject({
      status: 'pass',
      seen: expect.stringMatching(/^jwt: refused.*; introspection: refused/),
    })
    expect(code).toBe(0)
  })

  it('fails when it has no key for the allowed algorithms', async () => {
    app.answer = answerJson({ keys: [] })
    const { code, find } = await examine({ ...jwt(), SESSION_JWT_JWKS_URL: `${app.origin}/jwks` })
    expect(find('session_source')).toMatchObject({
      status: 'fail',
      advice: expect.stringContaining('SESSION_JWT_JWKS_URL'),
    })
    expect(code).toBe(1)
  })

  it('fails when the address leads to another kind of document, and names that kind', async () => {
    app.answer = answerJson({ jwks_uri: `${app.origin}/jwks` })
    const { code, find } = await examine({ ...jwt(), SESSION_JWT_JWKS_URL: `${app.origin}/.well-known` })
    expect(find('session_source')).toMatchObject({
      status: 'fail',
      advice: expect.stringMatching(/discovery document.* Check SESSION_JWT_JWKS_URL/),
    })
    expect(code).toBe(1)
  })

  it('fails with exit code 2 when it does not answer', async () => {
    const { code, find } = await examine({ ...jwt(), SESSION_JWT_JWKS_URL: 'http://127.0.0.1:9/jwks' })
    expect(find('session_source').status).toBe('fail')
    expect(code).toBe(2)
  })

  it('fails when it does not know the broker as a client', async () => {
    const { code, find } = await examine({
      ...introspection(),
      SESSION_INTROSPECTION_CLIENT_SECRET: 'planted-wrong-secret',
    })
    expect(find('session_source')).toMatchObject({
      status: 'fail',
      seen: expect.stringContaining('client_refused'),
    })
    expect(code).toBe(1)
  })
})

describe.skipIf(redisMissing)('session_source with the store of express-session', () => {
  it('passes while Redis answers, and fails with exit code 2 when it is down', async () => {
    const redis = await createRedisServer()
    await redis.start()
    const store = {
      SESSION_MODE: 'express-session',
      SESSION_STORE_URL: redis.url,
      SESSION_SECRET: 'planted-cookie-secret',
    }
    const good = await examine(store)
    await redis.close()
    const away = await examine(store)
    expect([good.find('session_source').status, good.code]).toEqual(['pass', 0])
    expect([away.find('session_source').status, away.code]).toEqual(['fail', 2])
  })

  it('fails when Redis refuses the password', async () => {
    const redis = await createRedisServer(['--requirepass', 'planted-password'])
    await redis.start()
    const store = { SESSION_MODE: 'express-session', SESSION_STORE_URL: redis.url }
    const { code, find } = await examine({ ...store, SESSION_SECRET: 'planted-cookie-secret' })
    expect(find('session_source').seen).toContain('redis_auth')
    expect(code).toBe(1)
  })
})

describe('Nothing that the checks of sources print', () => {
  it('contains a secret, a token or the email', () => {
    expect(printed.length).toBeGreaterThan(20)
    expect(printed.join('\n')).not.toMatch(/planted-|zoe|eyJ/)
  })
})
