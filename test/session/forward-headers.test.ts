import { beforeEach, describe, expect, it } from 'vitest'
import { useBroker, type RunningBroker } from '../peers/broker.ts'
import { send } from '../peers/exchange.ts'
import { startEndpoint, type Endpoint } from '../peers/endpoint.ts'
import type { Vendor } from '../peers/vendor.ts'

// The answers of oauth2-proxy, Authelia, authentik and vouch: claims by headers, and a body that says nothing.

const page = [
  ['Origin', 'https://app.example.com'],
  ['Cookie', 'session=abc'],
] as const

let service: Endpoint
let vendor: Vendor
let broker: RunningBroker

beforeEach(async () => {
  service = await startEndpoint((_request, response) => void response.end())
})

interface Answered {
  status: number
  headers?: Record<string, string | string[]>
  body?: string
}

/** What a signed-in user of the stand-in gets at the broker, and what the log says of it. */
async function ask({ status, headers = {}, body }: Answered, changes: Record<string, string> = {}) {
  service.answer = (_request, response) => void response.writeHead(status, headers).end(body)
  ;({ vendor, broker } = await useBroker({
    SESSION_MODE: 'forward-auth',
    SESSION_JWT_SECRET: undefined,
    SESSION_FORWARD_URL: `${service.origin}/oauth2/auth`,
    SESSION_EMAIL_CLAIM: 'header:Remote-Email',
    SESSION_SUBJECT_CLAIM: 'header:Remote-User',
    VENDOR_TIMEOUT_MS: '1000',
    ...changes,
  }))
  const answer = await send(`${broker.url}/widget-token`, { method: 'POST', headers: page })
  const { code, subject } = JSON.parse(answer.body) as { code?: string; subject?: string }
  const outcome = broker.logLines().find((line) => line.route === '/widget-token')?.outcome
  return { status: answer.status, code, outcome, subject, email: vendor.requests[0]?.headers.email }
}

const ada = { 'Remote-Email': 'ada@example.com', 'Remote-User': 'ada' }
const signedIn = { status: 200, code: undefined, email: 'ada@example.com' }

describe('An answer whose headers are the claims', () => {
  it.each([200, 202, 204, 206])('is a session with status %i and no body', async (status) => {
    expect(await ask({ status, headers: ada })).toMatchObject(signedIn)
  })

  it.each([
    ['a page', '<!doctype html><p>Hello'],
    ['JSON of another user', '{"email":"eve@example.com","sub":"eve"}'],
    ['a megabyte', 'x'.repeat(1_048_576)],
  ])('is a session whatever its body is: %s', async (_name, body) => {
    expect(await ask({ status: 200, headers: ada, body })).toMatchObject(signedIn)
  })

  it('is a session before its body has ended', async () => {
    const asked = ask({ status: 200, headers: ada })
    service.answer = (_request, response) => void response.writeHead(200, ada).write('…')
    expect(await asked).toMatchObject(signedIn)
  })

  it('names the user by the subject header', async () => {
    const { subject } = await ask({ status: 200, headers: ada })
    await broker.close()
    const renamed = await ask({ status: 200, headers: { ...ada, 'Remote-Email': 'lovelace@example.com' } })
    await broker.close()
    const other = await ask({ status: 200, headers: { ...ada, 'Remote-User': 'eve' } })
    expect([renamed.subject === subject, other.subject === subject]).toEqual([true, false])
  })

  it('may name the email in one of several headers', async () => {
    const headers = { 'X-Auth-Request-Email': 'ada@example.com' }
    const changes = { SESSION_EMAIL_CLAIM: 'header:Remote-Email,header:x-auth-request-email' }
    expect(await ask({ status: 202, headers }, changes)).toMatchObject(signedIn)
  })
})

describe('An answer without these headers', () => {
  it.each<[string, Answered]>([
    ['none', { status: 200 }],
    ['others', { status: 202, headers: { 'X-Email': 'ada@example.com' } }],
    ['empty ones', { status: 200, headers: { 'Remote-Email': '', 'Remote-User': '' } }],
    [
      'JSON instead',
      { status: 200, body: '{"email":"ada@example.com","header:Remote-Email":"ada@example.com"}' },
    ],
  ])('is signed out with %s', async (_name, answer) => {
    const refusal = { status: 401, code: 'session_invalid', outcome: 'answer_without_user' }
    expect(await ask(answer)).toMatchObject(refusal)
    expect(vendor.requests).toEqual([])
  })

  it.each([401, 403, 302, 303, 307])('is signed out with status %i', async (status) => {
    expect(await ask({ status, headers: ada })).toMatchObject({ status: 401, code: 'session_invalid' })
  })

  it.each([301, 308, 400, 404, 500, 503])('is an outage with status %i', async (status) => {
    expect(await ask({ status, headers: ada })).toMatchObject({ code: 'session_source_unavailable' })
  })
})

describe('An answer whose headers are unusable as claims', () => {
  it.each<[string, Record<string, string | string[]>, string]>([
    ['no email', { 'Remote-User': 'ada' }, 'email_missing'],
    ['a list of emails', { ...ada, 'Remote-Email': 'ada@example.com,eve@example.com' }, 'email_list'],
    ['two lines of emails', { ...ada, 'Remote-Email': ['ada@example.com', 'eve@example.com'] }, 'email_list'],
    ['one email twice', { ...ada, 'Remote-Email': ['ada@example.com', 'ada@example.com'] }, 'email_list'],
    ['an email with a name', { ...ada, 'Remote-Email': 'Ada <ada@example.com>' }, 'email_not_plain'],
    ['an email beyond ASCII', { ...ada, 'Remote-Email': 'ad\u00e9@example.com' }, 'email_not_ascii'],
    ['a list of user ids', { ...ada, 'Remote-User': 'ada, eve' }, 'subject_list'],
    ['two lines of user ids', { ...ada, 'Remote-User': ['ada', 'eve'] }, 'subject_list'],
  ])('is refused with %s', async (_name, headers, outcome) => {
    expect(await ask({ status: 200, headers })).toMatchObject({
      status: 403,
      code: 'identity_unusable',
      outcome,
    })
    expect(vendor.requests).toEqual([])
  })
})
