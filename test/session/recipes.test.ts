import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { authJsMissing, startAuthJs } from '../peers/authjs.ts'
import { startBroker, type RunningBroker } from '../peers/broker.ts'
import { djangoMissing, startDjango } from '../peers/django.ts'
import type { Endpoint } from '../peers/endpoint.ts'
import { send } from '../peers/exchange.ts'
import { nextMissing, startNext } from '../peers/next.ts'
import { railsMissing, startRails } from '../peers/rails.ts'
import { signInProxies, startSignInProxy } from '../peers/sign-in-proxies.ts'
import { startVendor, type Vendor } from '../peers/vendor.ts'

// The settings that docs/sessions.md has for an app, with that app.

interface App {
  origin: string
  /** The session cookie of a user, as a pair. */
  signIn(email: string): Promise<string>
}

let vendor: Vendor

beforeEach(async () => {
  vendor = await startVendor()
})

/** The recipe's settings at a broker on the app's own host. */
function follow(recipe: Record<string, string>): Promise<RunningBroker> {
  return startBroker({
    WIDGET_BASE_URL: vendor.url,
    SESSION_MODE: 'forward-auth',
    SESSION_JWT_SECRET: undefined,
    PUBLIC_URL: 'http://127.0.0.1',
    // The first look of Next.js in development is slow.
    VENDOR_TIMEOUT_MS: '15000',
    ...recipe,
  })
}

async function ask(broker: RunningBroker, cookie: string) {
  const lines = [
    ['Cookie', cookie],
    ['Sec-Fetch-Site', 'same-origin'],
  ] as const
  const { status, body, headers } = await send(`${broker.url}/widget-token`, {
    method: 'POST',
    headers: lines,
  })
  const { code } = JSON.parse(body) as { code?: string }
  return {
    status,
    code,
    setCookies: headers['set-cookie'],
    emails: vendor.requests.map((one) => one.headers.email),
  }
}

const signedIn = { status: 200, emails: ['ada@example.com'] }
const signedOut = { status: 401, code: 'session_invalid', emails: [] }

describe.skipIf(authJsMissing)(`Auth.js ${authJsMissing ?? ''}`, () => {
  let app: App

  beforeAll(async () => {
    app = await startAuthJs()
  })

  const recipe = () => ({
    SESSION_FORWARD_URL: `${app.origin}/api/auth/session`,
    SESSION_FORWARD_COOKIES: 'authjs.session-token,__Secure-authjs.session-token',
    SESSION_EMAIL_CLAIM: 'user.email',
  })

  it('signs in its user, and passes on the session cookie that it renews with each answer', async () => {
    const broker = await follow(recipe())
    const answer = await ask(broker, await app.signIn('ada@example.com'))
    expect(answer).toMatchObject(signedIn)
    expect(answer.setCookies).toEqual([expect.stringMatching(/^authjs\.session-token=ey/)])
    const renewed = answer.setCookies![0]!.split(';')[0]!
    expect(await ask(broker, renewed)).toMatchObject({ status: 200 })
  })

  it('treats a cookie without a session as signed out', async () => {
    const broker = await follow(recipe())
    expect(await ask(broker, 'authjs.session-token=guess')).toMatchObject(signedOut)
  })

  it('is not asked for a visitor without its session cookie', async () => {
    const broker = await follow(recipe())
    expect(await ask(broker, 'theme=dark')).toMatchObject({ status: 401, code: 'session_missing' })
  })
})

describe.skipIf(nextMissing)(`Next.js ${nextMissing ?? ''}`, () => {
  let app: App

  beforeAll(async () => {
    app = await startNext()
  })

  const recipe = () => ({
    SESSION_FORWARD_URL: `${app.origin}/api/me`,
    SESSION_FORWARD_COOKIES: 'session',
  })

  it('signs in its user', async () => {
    const broker = await follow(recipe())
    expect(await ask(broker, await app.signIn('ada@example.com'))).toMatchObject(signedIn)
  })

  it('treats a 307 redirect to its sign-in page as signed out', async () => {
    const broker = await follow(recipe())
    expect(await ask(broker, 'session=guess')).toMatchObject(signedOut)
  })
})

describe.skipIf(djangoMissing)(`Django ${djangoMissing ?? ''}`, () => {
  let app: App

  beforeAll(async () => {
    app = await startDjango()
  })

  const recipe = () => ({
    SESSION_FORWARD_URL: `${app.origin}/me`,
    SESSION_FORWARD_COOKIES: 'sessionid',
  })

  it('signs in its user', async () => {
    const broker = await follow(recipe())
    expect(await ask(broker, await app.signIn('ada@example.com'))).toMatchObject(signedIn)
  })

  it.each(['sessionid=guess', 'sessionid=; theme=dark'])('treats %s as signed out', async (cookie) => {
    const broker = await follow(recipe())
    expect(await ask(broker, cookie)).toMatchObject({ status: 401, emails: [] })
  })

  it('passes on the session cookie that it renews', async () => {
    const broker = await follow(recipe())
    const { setCookies } = await ask(broker, await app.signIn('ada@example.com'))
    expect(setCookies).toEqual([expect.stringMatching(/^sessionid=/)])
  })
})

describe.skipIf(railsMissing)(`Rails ${railsMissing ?? ''}`, () => {
  let app: App

  beforeAll(async () => {
    app = await startRails()
  })

  const recipe = () => ({
    SESSION_FORWARD_URL: `${app.origin}/me`,
    SESSION_FORWARD_COOKIES: '_app_session',
    PUBLIC_URL: 'https://127.0.0.1',
  })

  it('signs in its user, and passes on the session cookie that it renews', async () => {
    const broker = await follow(recipe())
    const answer = await ask(broker, await app.signIn('ada@example.com'))
    expect(answer).toMatchObject(signedIn)
    expect(answer.setCookies).toEqual([expect.stringMatching(/^_app_session=/)])
  })

  it('treats a cookie without a session as signed out', async () => {
    const broker = await follow(recipe())
    expect(await ask(broker, '_app_session=guess')).toMatchObject(signedOut)
  })

  it('redirects to https what no PUBLIC_URL calls https, which is an outage that says so', async () => {
    const broker = await follow({ ...recipe(), PUBLIC_URL: '' })
    const cookie = await app.signIn('ada@example.com')
    expect(await ask(broker, cookie)).toMatchObject({ code: 'session_source_unavailable', emails: [] })
    await expect.poll(() => broker.logLines().at(-1)).toMatchObject({ outcome: 'answer_moved' })
  })
})

describe.each([
  ['oauth2-proxy', 'X-Auth-Request-Email', 'X-Auth-Request-User'],
  ['Authelia', 'Remote-Email', 'Remote-User'],
  ['authentik', 'X-authentik-email', 'X-authentik-uid'],
] as const)('%s, by its documentation,', (name, email, user) => {
  const proxy = signInProxies[name]
  let service: Endpoint

  beforeAll(async () => {
    service = await startSignInProxy(proxy)
  })

  const recipe = () => ({
    SESSION_FORWARD_URL: service.origin + proxy.path,
    SESSION_FORWARD_COOKIES: proxy.cookie,
    SESSION_EMAIL_CLAIM: `header:${email}`,
    SESSION_SUBJECT_CLAIM: `header:${user}`,
    PUBLIC_URL: 'https://app.example.com/widgets/',
  })

  it('signs in its user', async () => {
    const broker = await follow(recipe())
    expect(await ask(broker, `theme=dark; ${proxy.cookie}=good`)).toMatchObject(signedIn)
  })

  it('treats a cookie without a session as signed out', async () => {
    const broker = await follow(recipe())
    expect(await ask(broker, `${proxy.cookie}=guess`)).toMatchObject(signedOut)
  })
})
