import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { answerJson, startEndpoint, type Endpoint } from '../peers/endpoint.ts'
import { send } from '../peers/exchange.ts'
import { nginxMissing, startNginx, type Nginx } from '../peers/nginx.ts'
import { codeOf, followRecipe, ruleOf, signedIn, signedOut, unknown, whenRequired } from '../peers/recipes.ts'
import { signInProxies, startSignInProxy } from '../peers/sign-in-proxies.ts'

describe.each(Object.entries(signInProxies))('The recipe for %s', (name, proxy) => {
  let service: Endpoint

  beforeAll(async () => {
    service = await startSignInProxy(proxy)
  })

  it('signs in its user', async () => {
    const { askWith } = await followRecipe(name, service.origin)
    expect(await askWith(`theme=dark; ${proxy.cookie}=good`)).toMatchObject(signedIn)
  })

  it('identifies its user by an id that stays the same with a new email', async () => {
    const { askWith } = await followRecipe(name, service.origin)
    const { subject } = await askWith(`${proxy.cookie}=good`)
    expect(await askWith(`${proxy.cookie}=renamed`)).toMatchObject({ status: 200, subject })
  })

  it('treats a cookie without a session as signed out', async () => {
    const { askWith } = await followRecipe(name, service.origin)
    expect(await askWith(`${proxy.cookie}=guess`)).toMatchObject(signedOut)
  })

  it('asks nobody about a visitor without the session cookie', async () => {
    const { askWith } = await followRecipe(name, service.origin)
    expect(await askWith('theme=dark')).toMatchObject(unknown)
  })

  it('says what SESSION_REQUIRE_VERIFIED_EMAIL=true does', async () => {
    const user = [['Cookie', `${proxy.cookie}=good`]] as const
    expect(await whenRequired(name, service.origin, user)).toBe(ruleOf(name))
  })
})

describe('The recipe for Azure Easy Auth', () => {
  const name = 'Azure Easy Auth'
  const user = [
    {
      provider_name: 'aad',
      user_id: 'ada@example.com',
      user_claims: [{ typ: 'ver', val: '2.0' }],
      access_token: 'x',
      expires_on: '2030-01-01T00:00:00Z',
    },
  ]
  let app: Endpoint

  beforeEach(async () => {
    app = await startEndpoint((request, response) =>
      request.url === '/.auth/me' ? answerJson(user)(request, response) : response.writeHead(404).end(),
    )
  })

  const cookie = 'AppServiceAuthSession=good'

  it('signs in its user', async () => {
    const { askWith } = await followRecipe(name, app.origin)
    expect(await askWith(`theme=dark; ${cookie}`)).toMatchObject(signedIn)
    expect(app.received.map((request) => request.headers.cookie)).toEqual([cookie])
  })

  it.each([
    ['401', answerJson({}, 401)],
    ['an empty list', answerJson([])],
  ])('treats %s as signed out', async (_, answer) => {
    app.answer = answer
    const { askWith } = await followRecipe(name, app.origin)
    expect(await askWith(cookie)).toMatchObject(signedOut)
  })

  it('says what SESSION_REQUIRE_VERIFIED_EMAIL=true does', async () => {
    expect(await whenRequired(name, app.origin, [['Cookie', cookie]])).toBe(ruleOf(name))
  })
})

describe.skipIf(nginxMissing)(`The recipe for trusted-header ${nginxMissing ?? ''}`, () => {
  const name = 'trusted-header'
  const { path, cookie } = signInProxies['oauth2-proxy']

  /** The recipe's nginx with oauth2-proxy, and the recipe's broker behind it. */
  async function follow() {
    const service = await startSignInProxy(signInProxies['oauth2-proxy'])
    const recipe = await followRecipe(name, '')
    const lines = codeOf(name, 'nginx')
      .replaceAll('http://127.0.0.1:3000', recipe.broker.url)
      .replace('the proof', recipe.settings.SESSION_HEADER_PROOF!)
    const nginx = await startNginx(`
      location = /auth { internal; proxy_pass ${service.origin}${path}; proxy_pass_request_body off; }
      ${lines}
    `)
    return { ...recipe, nginx }
  }

  it('signs in the user of oauth2-proxy', async () => {
    const { nginx, vendor } = await follow()
    const answer = await askThrough(nginx, {
      cookie: `${cookie}=good`,
      'x-forwarded-email': 'eve@example.com',
    })
    const emails = vendor.requests.map(({ headers }) => headers.email)
    expect({ ...answer, emails }).toMatchObject(signedIn)
  })

  it('refuses a visitor without a session, whatever the headers say', async () => {
    const { nginx, vendor } = await follow()
    const answer = await askThrough(nginx, { 'x-forwarded-email': 'eve@example.com' })
    expect([answer.status, vendor.requests]).toEqual([401, []])
  })

  it('refuses a header that did not pass nginx', async () => {
    const { ask } = await followRecipe(name, '')
    expect(await ask(['X-Forwarded-Email', 'ada@example.com'])).toMatchObject({ status: 401, emails: [] })
  })

  it('serves the script to everyone', async () => {
    const { nginx } = await follow()
    expect(await send(`${nginx.origin}/widgets/bridge.js`)).toMatchObject({ status: 200 })
  })

  it('says what SESSION_REQUIRE_VERIFIED_EMAIL=true does', async () => {
    expect(await whenRequired(name, '', [])).toBe(ruleOf(name))
  })
})

function askThrough({ origin }: Nginx, headers: Record<string, string>) {
  const all = { 'sec-fetch-site': 'same-origin', ...headers }
  return send(`${origin}/widgets/widget-token`, { method: 'POST', headers: all })
}
