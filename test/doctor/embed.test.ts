import { createServer } from 'node:http'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createSandbox } from '../../src/sandbox/sandbox.ts'
import { startBroker, type RunningBroker } from '../peers/broker.ts'
import { diagnose, printed } from '../peers/doctor.ts'
import { answerJson, startEndpoint } from '../peers/endpoint.ts'
import { openFront } from '../peers/front.ts'
import { listen } from '../peers/listen.ts'

const email = 'zoe.planted@example.com'
const accessKey = 'planted-access-key-1'
const sandbox = createSandbox({ accessKey })
/** A deployment with Access Key Embed and nothing else. */
let environment: Record<string, string>
let broker: RunningBroker

beforeAll(async () => {
  environment = {
    RAI_API_URL: await listen(createServer(sandbox.app)),
    RAI_ACCESS_ID: 'sandbox-access-id',
    RAI_ACCESS_KEY: accessKey,
    RAI_USER_IDENTIFIERS: 'data-email=email',
    SUBJECT_KEY: 'planted-subject-key',
    SESSION_MODE: 'jwt',
    SESSION_JWT_SECRET: 'planted-'.repeat(6),
    ALLOWED_ORIGINS: 'https://app.example.com',
  }
  const withoutSignin = { WIDGET_BASE_URL: '', WIDGET_COMMUNITY_ID: '', WIDGET_API_KEY: '' }
  broker = await startBroker({ ...withoutSignin, ...environment })
})

beforeEach(() => sandbox.faults.set('none'))

const examine = (changes: Record<string, string> = {}, url = broker.url) =>
  diagnose(['--url', url, '--email', email], { ...environment, ...changes })

/** What the doctor says when a proxy answers `/embed-token` by itself. */
async function examineBehind(answer: Parameters<typeof openFront>[1]['response'], changes = {}) {
  const front = await openFront(broker.url, { response: answer })
  return examine(changes, front.url)
}

describe('The doctor of a deployment with Access Key Embed alone', () => {
  it('mints an embed token, and asks neither for a signin key nor for /widget-token', async () => {
    sandbox.requests.length = 0
    const { code, checks, find } = await examine()
    expect(find('vendor_embed')).toMatchObject({
      status: 'pass',
      seen: expect.stringMatching(/^key [0-9a-f]{8}: accepted$/),
    })
    const others = checks.filter(({ status }) => status !== 'pass').map(({ id, status }) => [id, status])
    expect(others).toEqual([
      ['vendor_signin', 'skipped'],
      ['widget_pages', 'skipped'],
      ['https', 'warn'],
    ])
    expect(sandbox.requests).toHaveLength(1)
    expect(code).toBe(0)
  })

  it('uses the test user of WIDGET_PROBE_EMAIL if none is named', async () => {
    const { find } = await diagnose([], { ...environment, WIDGET_PROBE_EMAIL: email })
    expect(find('vendor_embed').status).toBe('pass')
    expect((await diagnose([], environment)).find('vendor_embed')).toMatchObject({
      status: 'skipped',
      advice: expect.stringContaining('--email'),
    })
  })

  it('skips vendor_embed if an email is not enough, and names the claim', async () => {
    const { code, find } = await examine({ RAI_USER_IDENTIFIERS: 'data-customer-id=sub' })
    expect(find('vendor_embed')).toMatchObject({ status: 'skipped', seen: expect.stringContaining('sub') })
    expect(code).toBe(0)
  })

  it.each([
    ['the access key', { RAI_ACCESS_KEY: 'planted-access-key-2' }, 'vendor_rejected_credentials', 'revoked'],
    ['the address', { RAI_API_URL: 'http://127.0.0.1:9' }, 'vendor_unavailable', 'this machine'],
  ])('fails in vendor_embed when %s is wrong', async (_what, changes, seen, advice) => {
    const { code, find } = await examine(changes)
    expect(find('vendor_embed')).toMatchObject({
      status: 'fail',
      seen: expect.stringContaining(seen),
      advice: expect.stringContaining(advice),
    })
    expect(code).toBe(seen === 'vendor_unavailable' ? 2 : 1)
  })

  it('fails in vendor_embed when something else answers at the address', async () => {
    const page = await startEndpoint((_request, response) => void response.end('<h1>Hello</h1>'))
    const { code, find } = await examine({ RAI_API_URL: page.origin })
    expect(find('vendor_embed')).toMatchObject({
      status: 'fail',
      seen: expect.stringContaining('vendor_bad_response'),
      advice: expect.stringContaining('RAI_API_URL'),
    })
    expect(code).toBe(1)
  })

  it('fails in vendor_embed when the vendor refuses the request', async () => {
    const api = await startEndpoint(answerJson({}, 400))
    const { find } = await examine({ RAI_API_URL: api.origin })
    expect(find('vendor_embed').advice).toContain('User Identifier Fields')
  })

  it('fails in clock if the clock of the vendor’s API differs', async () => {
    const slow = await startEndpoint((_request, response) => {
      response.setHeader('date', new Date(Date.now() - 40_000).toUTCString())
      response.writeHead(404).end()
    })
    const { find } = await diagnose([], { ...environment, RAI_API_URL: slow.origin })
    expect(find('clock')).toMatchObject({
      status: 'fail',
      seen: expect.stringMatching(/ (39|4[01]) s apart/),
    })
  })

  it('fails in session_required when anybody gets an embed token', async () => {
    const { code, find } = await examineBehind((response, path) => {
      if (path === '/embed-token') response.writeHead(200).end('{}')
    })
    expect(find('session_required')).toMatchObject({
      status: 'fail',
      seen: expect.stringContaining('/embed-token answers 200'),
    })
    expect(code).toBe(1)
  })

  it('fails in foreign_origin when a foreign page may read the answer of /embed-token', async () => {
    const { find } = await examineBehind((response, path) => {
      if (path === '/embed-token') response.setHeader('access-control-allow-origin', '*')
    })
    expect(find('foreign_origin')).toMatchObject({
      status: 'fail',
      seen: expect.stringContaining('/embed-token'),
    })
  })

  it('fails in allowed_origins when the preflight of /embed-token fails', async () => {
    const { find } = await examineBehind((response, path) => {
      if (path === '/embed-token') response.writeHead(405).end()
    })
    expect(find('allowed_origins').status).toBe('fail')
  })

  it('asks the right route even if the configuration is not usable', async () => {
    const { find } = await examine({ PORT: 'planted-port' })
    expect(find('config').status).toBe('fail')
    expect(find('session_required').status).toBe('pass')
  })
})

describe('Nothing that the checks of Access Key Embed print', () => {
  it('contains a secret, a token or the email', () => {
    expect(printed.length).toBeGreaterThan(20)
    expect(printed.join('\n')).not.toMatch(/planted-|zoe|eyJ/)
  })
})
