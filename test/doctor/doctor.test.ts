import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { beforeAll, describe, expect, it } from 'vitest'
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts'
import { whyMissing } from '../peers/binary.ts'
import { startBroker, type RunningBroker } from '../peers/broker.ts'
import { diagnose, printed, runDoctor } from '../peers/doctor.ts'
import { openFront } from '../peers/front.ts'
import { listen } from '../peers/listen.ts'

const email = 'zoe.planted@example.com'
const secrets = {
  apiKey: 'planted-api-key-1',
  accessKey: 'planted-access-key-1',
  subjectKey: 'planted-subject-key',
  session: 'planted-'.repeat(6),
}
const ids = [
  'config',
  'key_source',
  'vendor_signin',
  'vendor_embed',
  'widget_pages',
  'clock',
  'session_source',
  'broker_reachable',
  'https',
  'session_required',
  'foreign_origin',
  'allowed_origins',
  'page_policy',
  'key_not_public',
]

const noTerminal = whyMissing('script', '--version')
const sandbox: Sandbox = createSandbox({ apiKeys: [secrets.apiKey], accessKey: secrets.accessKey })
const vendor = createServer(sandbox.app)
let environment: Record<string, string>
let broker: RunningBroker

beforeAll(async () => {
  const vendorUrl = await listen(vendor)
  environment = {
    WIDGET_BASE_URL: vendorUrl,
    WIDGET_COMMUNITY_ID: 'sandbox-community',
    WIDGET_API_KEY: secrets.apiKey,
    RAI_API_URL: vendorUrl,
    RAI_ACCESS_ID: 'sandbox-access-id',
    RAI_ACCESS_KEY: secrets.accessKey,
    RAI_USER_IDENTIFIERS: 'data-email=email',
    SUBJECT_KEY: secrets.subjectKey,
    WIDGETS: 'channel-widget:64f0c2a1b3d4e5f607182931',
    SESSION_MODE: 'jwt',
    SESSION_JWT_SECRET: secrets.session,
    ALLOWED_ORIGINS: 'https://app.example.com,https://www.example.com',
  }
  broker = await startBroker(environment)
})

const examine = (changes: Record<string, string> = {}, url = broker.url) =>
  diagnose(['--url', url, '--email', email], { ...environment, ...changes })

/** What the doctor says of the broker behind a proxy that gets one thing wrong. */
async function examineBehind(spoil: Parameters<typeof openFront>[1], changes: Record<string, string> = {}) {
  const front = await openFront(broker.url, spoil)
  const found = await examine(changes, front.url)
  await front.close()
  return found
}

describe('The doctor', () => {
  it('passes every check of a good deployment', async () => {
    const { code, ok, checks, stderr } = await examine()
    const failed = checks.filter(({ status }) => status !== 'pass')
    expect(failed).toEqual([expect.objectContaining({ id: 'https', status: 'warn' })])
    expect({ code, ok, stderr }).toEqual({ code: 0, ok: true, stderr: '' })
    expect(checks.map(({ id }) => id)).toEqual(ids)
  })

  it('prints one document with four texts for each check with --json, and nothing else', async () => {
    const { stdout } = await runDoctor(['--json'], environment)
    const document = JSON.parse(stdout)
    expect(Object.keys(document)).toEqual(['ok', 'checks'])
    for (const check of document.checks) {
      expect(Object.keys(check)).toEqual(['id', 'status', 'seen', 'advice'])
      expect(check.status).toMatch(/^(pass|warn|fail|skipped)$/)
      expect(check.seen).toMatch(/^.{5,}$/)
    }
  })

  it('prints a line for each check, without colour if the output is piped', async () => {
    const { code, stdout } = await runDoctor(['--url', broker.url, '--email', email], environment)
    for (const id of ids) expect(stdout).toMatch(new RegExp(`^(pass|warn) +${id} +\\S`, 'm'))
    expect(stdout).toMatch(/^13 passed, 1 warned, 0 failed, 0 skipped$/m)
    expect(stdout).not.toContain('\u001b')
    expect(code).toBe(0)
  })

  it.skipIf(noTerminal)('uses colour on a terminal, unless NO_COLOR is set', async () => {
    const entry = join(import.meta.dirname, '../../dist/doctor/main.js')
    const onTerminal = async (env: Record<string, string>) => {
      const args = ['-qec', `${process.execPath} ${entry}`, '/dev/null']
      return text(spawn('script', args, { env: { ...environment, ...env } }).stdout)
    }
    expect(await onTerminal({})).toContain('\u001b[32mpass')
    expect(await onTerminal({ NO_COLOR: '1' })).not.toContain('\u001b')
  })

  it('refuses unknown arguments, and an address that contains a password', async () => {
    for (const args of [
      ['--ulr', broker.url],
      ['--url', 'https://user:planted-url-password@example.com'],
    ]) {
      const { code, stdout, stderr } = await runDoctor(args, environment)
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
      expect(stderr).toMatch(/--url/)
    }
  })

  it('says which checks need an address and a user', async () => {
    const { code, checks } = await diagnose([], environment)
    const skipped = checks.filter(({ status }) => status === 'skipped')
    expect(skipped.map(({ id }) => id)).toEqual(['vendor_signin', 'vendor_embed', ...ids.slice(7)])
    for (const { advice } of skipped) expect(advice).toMatch(/--(url|email)/)
    expect(code).toBe(0)
  })
})

describe('The doctor, when one thing is broken, fails in', () => {
  it('config, which names each invalid setting, and skips what depends on it', async () => {
    const { code, find, checks } = await examine({ PORT: 'planted-port', WIDGET_TYPO: 'planted-typo' })
    expect(find('config').status).toBe('fail')
    expect(find('config').seen).toContain('PORT must be')
    expect(find('config').seen).toContain('WIDGET_TYPO is not')
    expect(checks.filter(({ status }) => status === 'skipped').map(({ id }) => id)).toEqual(
      expect.arrayContaining(['key_source', 'vendor_signin', 'session_source', 'key_not_public']),
    )
    expect(find('session_required').status).toBe('pass')
    expect(code).toBe(1)
  })

  it('broker_reachable, and skips what only a running broker can answer', async () => {
    const { code, find } = await examine({}, 'http://127.0.0.1:9')
    expect(find('broker_reachable')).toMatchObject({
      status: 'fail',
      seen: expect.stringContaining('connect_refused'),
    })
    expect(find('key_not_public').status).toBe('skipped')
    expect(code).toBe(1)
  })

  it('broker_reachable, when the proxy does not strip the path', async () => {
    const { find } = await examine({}, `${broker.url}/widgets`)
    expect(find('broker_reachable')).toMatchObject({
      status: 'fail',
      seen: expect.stringContaining('/widgets/readyz answers 404'),
      advice: expect.stringContaining('proxy_pass'),
    })
  })

  it('broker_reachable, when it is stopping', async () => {
    const { code, find } = await examineBehind({ response: (response) => void response.writeHead(503).end() })
    expect(find('broker_reachable')).toMatchObject({
      status: 'fail',
      advice: expect.stringContaining('Wait'),
    })
    expect(code).toBe(1)
  })

  it('https, for an http address of another machine', async () => {
    const { code, find } = await diagnose(['--url', 'http://widgets.example.invalid'], environment)
    expect(find('https').status).toBe('fail')
    expect(code).toBe(1)
  })

  it.each([
    [200, 'Anyone gets a token'],
    [302, '401'],
    [404, '401'],
  ])('session_required, when a caller without a session gets %i', async (status, advice) => {
    const { code, find } = await examineBehind({
      response: (response, path) => {
        if (path === '/widget-token') response.writeHead(status).end('{"token":"planted-widget-token"}')
      },
    })
    expect(find('session_required')).toMatchObject({
      status: 'fail',
      seen: expect.stringContaining(String(status)),
      advice: expect.stringContaining(advice),
    })
    expect(code).toBe(1)
  })

  it('foreign_origin, when a proxy drops the Origin header', async () => {
    const { code, find } = await examineBehind({ request: (headers) => delete headers.origin })
    expect(find('foreign_origin')).toMatchObject({ status: 'fail', seen: expect.stringContaining('401') })
    expect(code).toBe(1)
  })

  it('foreign_origin, when a proxy opens the answers to every page', async () => {
    const { find } = await examineBehind({
      response: (response) => void response.setHeader('access-control-allow-origin', '*'),
    })
    expect(find('foreign_origin')).toMatchObject({
      status: 'fail',
      seen: expect.stringContaining('Access-Control-Allow-Origin'),
    })
  })

  it('allowed_origins, when the running broker lacks one of them', async () => {
    const added = 'https://new.example.com'
    const { code, find } = await examine({ ALLOWED_ORIGINS: `https://app.example.com,${added}` })
    expect(find('allowed_origins')).toMatchObject({
      status: 'fail',
      seen: `The preflight of these fails: ${added}.`,
    })
    expect(code).toBe(1)
  })

  it('page_policy, when a proxy adds a policy that blocks the widgets', async () => {
    const policy = "default-src 'self'"
    const { code, find } = await examineBehind({
      response: (response) => void response.setHeader('content-security-policy', policy),
    })
    expect(find('page_policy')).toMatchObject({
      status: 'fail',
      seen: expect.stringContaining(`frame-src ${environment.WIDGET_BASE_URL}`),
    })
    expect(code).toBe(1)
  })

  it('key_not_public, when an answer contains a secret', async () => {
    const { code, find } = await examineBehind({
      response: (response) => void response.setHeader('x-debug', `key=${secrets.apiKey}`),
    })
    expect(find('key_not_public').status).toBe('fail')
    expect(code).toBe(1)
  })
})

describe('The page policy of the doctor', () => {
  it('names what a customer’s page must allow', async () => {
    const { find } = await examine()
    expect(find('page_policy').seen).toContain(
      `script-src ${broker.url}; connect-src ${broker.url} ${environment.RAI_API_URL}; frame-src ${environment.WIDGET_BASE_URL}`,
    )
  })

  it('is skipped if the page is off, and every other check passes', async () => {
    const off = { STATUS_PAGE: 'off' }
    const { checks, find, code } = await examine(off, (await startBroker({ ...environment, ...off })).url)
    expect(find('page_policy')).toMatchObject({
      status: 'skipped',
      seen: expect.stringContaining('STATUS_PAGE is off'),
    })
    expect(checks.filter(({ status }) => status === 'fail')).toEqual([])
    expect(code).toBe(0)
  })
})

describe('Nothing that the doctor prints', () => {
  it('contains a secret, a token or the email', () => {
    expect(printed.length).toBeGreaterThan(20)
    expect(printed.join('\n')).not.toMatch(/planted-|zoe|eyJ/)
  })
})
