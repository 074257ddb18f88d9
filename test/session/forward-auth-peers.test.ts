import { beforeEach, describe, expect, test } from 'vitest'
import { startBroker, type RunningBroker } from '../peers/broker.ts'
import { nginxMissing, startNginx, type Nginx } from '../peers/nginx.ts'
import { startVendor, type Vendor } from '../peers/vendor.ts'
import { openClub, signIn, type Club } from '../peers/club.ts'
import { send } from '../peers/exchange.ts'

const page = ['Origin', 'https://app.example.com'] as const

let club: Club
let vendor: Vendor

beforeEach(async () => {
  club = await openClub()
  vendor = await startVendor()
})

async function startForwardBroker(
  path: string,
  changes: Record<string, string> = {},
): Promise<RunningBroker> {
  return startBroker({
    WIDGET_BASE_URL: vendor.url,
    SESSION_MODE: 'forward-auth',
    SESSION_JWT_SECRET: undefined,
    SESSION_FORWARD_URL: club.origin + path,
    SESSION_SUBJECT_CLAIM: 'id',
    ...changes,
  })
}

function emailsAtVendor(): unknown[] {
  return vendor.requests.map(({ headers }) => headers.email)
}

async function askToken(
  base: string,
  ...headers: (readonly [string, string])[]
): Promise<{ status: number; code?: string; token?: string }> {
  const { status, body } = await send(`${base}/widget-token`, { method: 'POST', headers })
  return { status, ...(JSON.parse(body) as { code?: string; token?: string }) }
}

/** The app at the root of its domain, and the broker below a path of it. */
function startDomain(broker: RunningBroker): Promise<Nginx> {
  return startNginx(`
    location / { proxy_pass ${club.origin}; }
    location /widgets/ {
      proxy_pass ${broker.url}/;
      proxy_set_header Host $http_host;
    }
  `)
}

describe('An app with passport and express-session', () => {
  test('Its signed-in user gets a token by the cookie alone', async () => {
    const broker = await startForwardBroker('/api/me')
    const cookie = await signIn(club.origin, 'ada@example.com')
    const answer = await askToken(broker.url, page, ['Cookie', cookie])
    expect([answer.status, typeof answer.token, emailsAtVendor()]).toEqual([
      200,
      'string',
      ['ada@example.com'],
    ])
  })

  test.each([
    ['no cookie', () => '', 'session_missing'],
    ['a cookie of no session', () => 'connect.sid=s%3Aguess.guess', 'session_invalid'],
    ['a spoiled signature', (cookie: string) => `${cookie}x`, 'session_invalid'],
    ['another cookie', () => 'theme=dark', 'session_invalid'],
  ])('With %s nobody is signed in, and the vendor is not asked', async (_, spoil, code) => {
    const broker = await startForwardBroker('/api/me')
    const cookie = spoil(await signIn(club.origin, 'ada@example.com'))
    expect(await askToken(broker.url, page, ['Cookie', cookie])).toMatchObject({ status: 401, code })
    expect(vendor.requests).toEqual([])
  })

  test('A sign-out there is a sign-out here, once the remembered answer has expired', async () => {
    const broker = await startForwardBroker('/api/me', { SESSION_CACHE_SECONDS: '0' })
    const cookie = await signIn(club.origin, 'ada@example.com')
    expect(await askToken(broker.url, page, ['Cookie', cookie])).toMatchObject({ status: 200 })
    await send(`${club.origin}/logout`, { method: 'POST', headers: { cookie } })
    expect(await askToken(broker.url, page, ['Cookie', cookie])).toMatchObject({ code: 'session_invalid' })
  })

  test('The app out of reach is an outage, and the vendor is not asked', async () => {
    const broker = await startForwardBroker('/api/me')
    const cookie = await signIn(club.origin, 'ada@example.com')
    await club.close()
    const answer = await askToken(broker.url, page, ['Cookie', cookie])
    expect(answer).toMatchObject({ status: 503, code: 'session_source_unavailable' })
    expect(vendor.requests).toEqual([])
  })

  test('No email, cookie or session id of the app is in the log', async () => {
    const broker = await startForwardBroker('/api/me')
    const cookie = await signIn(club.origin, 'ada@example.com')
    await askToken(broker.url, page, ['Cookie', cookie])
    await askToken(broker.url, page, ['Cookie', 'connect.sid=s%3Aguess.guess'])
    expect(broker.logLines().length).toBeGreaterThanOrEqual(2)
    for (const secret of ['ada@', '@example.com', 'guess', cookie, cookie.slice(20, 40)]) {
      expect(broker.logText()).not.toContain(secret)
    }
  })
})

describe('An app that redirects to its sign-in page', () => {
  const claims = { SESSION_EMAIL_CLAIM: 'account.email', SESSION_SUBJECT_CLAIM: 'account.id' }

  test('Its signed-in user gets a token, with the email deeper in the answer', async () => {
    const broker = await startForwardBroker('/account', claims)
    const cookie = await signIn(club.origin, 'ada@example.com')
    expect(await askToken(broker.url, page, ['Cookie', cookie])).toMatchObject({ status: 200 })
    expect(emailsAtVendor()).toEqual(['ada@example.com'])
  })

  test('The redirect means signed out', async () => {
    const broker = await startForwardBroker('/account', claims)
    const answer = await askToken(broker.url, page, ['Cookie', 'connect.sid=s%3Aguess.guess'])
    expect(answer).toMatchObject({ status: 401, code: 'session_invalid' })
    expect(vendor.requests).toEqual([])
  })
})

describe.skipIf(nginxMissing)(`The broker at /widgets/ of the app's own domain ${nginxMissing ?? ''}`, () => {
  test('A page of the app gets a token with the cookie of the app, and no origin is listed', async () => {
    const broker = await startForwardBroker('/api/me', { ALLOWED_ORIGINS: '' })
    const nginx = await startDomain(broker)
    const cookie = ['Cookie', await signIn(nginx.origin, 'ada@example.com')] as const
    const base = `${nginx.origin}/widgets`
    const answers = [
      await askToken(base, cookie, ['Sec-Fetch-Site', 'same-origin'], ['Origin', nginx.origin]),
      await askToken(base, cookie, ['Origin', nginx.origin]),
      await askToken(base, cookie, ['Origin', 'https://evil.example']),
    ]
    const script = await send(`${base}/bridge.js`)
    await nginx.close()
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 403])
    expect(emailsAtVendor()).toEqual(['ada@example.com'])
    expect(script.status).toBe(200)
  })
})
