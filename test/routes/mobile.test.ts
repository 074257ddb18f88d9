import { beforeEach, describe, expect, it } from 'vitest'
import { startBroker, type RunningBroker } from '../peers/broker.ts'
import { send } from '../peers/exchange.ts'
import { broker as client, startIdentityProvider, type IdentityProvider } from '../peers/identity-provider.ts'
import { mintVendorToken, startVendor, type Vendor } from '../peers/vendor.ts'

let provider: IdentityProvider
let api: Vendor
let broker: RunningBroker

beforeEach(async () => {
  provider = await startIdentityProvider()
  api = await startVendor()
  api.answerWith(async (response) => {
    const data = { embedToken: await mintVendorToken('ada@example.com', 900), expiresIn: 900 }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ data }))
  })
  await start()
})

/** The broker of an app without web pages: the provider says whose bearer token it is, and there is no other door. */
async function start(environment: Record<string, string> = {}) {
  broker = await startBroker({
    WIDGET_API_KEY: '',
    WIDGET_COMMUNITY_ID: '',
    ALLOWED_ORIGINS: '',
    RAI_API_URL: api.url,
    RAI_ACCESS_ID: 'access-id-1',
    RAI_ACCESS_KEY: 'access-key-1',
    RAI_USER_IDENTIFIERS: 'data-customer-id=sub',
    SESSION_MODE: 'introspection',
    SESSION_JWT_SECRET: '',
    SESSION_INTROSPECTION_URL: provider.introspectionUrl.href,
    SESSION_INTROSPECTION_CLIENT_ID: client.id,
    SESSION_INTROSPECTION_CLIENT_SECRET: client.secret,
    SESSION_CACHE_SECONDS: '0',
    ...environment,
  })
}

/** As the recipes of docs/mobile.md do it: what `embedTokenProvider` returns, or the code by which the app decides. */
async function embedTokenProvider(accessToken?: string) {
  const headers: Record<string, string> =
    accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }
  const answer = await send(broker.url, { method: 'POST', path: '/embed-token', headers })
  const body = JSON.parse(answer.body) as { embedToken?: string; code?: string }
  return { ...body, status: answer.status, retryAfter: answer.headers['retry-after'] }
}

describe('A mobile app with a bearer token of its own', () => {
  it('gets an embed token for its user without an origin or a cookie', async () => {
    const { embedToken } = await embedTokenProvider(await provider.signIn('ada@example.com'))
    expect(embedToken).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/)
    expect(JSON.parse(api.requests[0]!.body).userIdentifiers).toEqual({
      'data-customer-id': 'ada@example.com',
    })
  })

  it('gets 401 once its session has ended', async () => {
    const token = await provider.signIn('ada@example.com')
    expect((await embedTokenProvider(token)).status).toBe(200)
    await provider.revoke(token)
    expect(await embedTokenProvider(token)).toMatchObject({ status: 401, code: 'session_invalid' })
    expect(await embedTokenProvider()).toMatchObject({ status: 401, code: 'session_missing' })
    expect((await embedTokenProvider(await provider.signIn('ada@example.com'))).status).toBe(200)
  })

  it('gets 429 with Retry-After over its limit', async () => {
    await start({ RATE_LIMIT_PER_MINUTE: '1' })
    const token = await provider.signIn('ada@example.com')
    await embedTokenProvider(token)
    expect(await embedTokenProvider(token)).toMatchObject({
      status: 429,
      code: 'rate_limited',
      retryAfter: expect.stringMatching(/^\d+$/),
    })
  })

  it('gets 503 with Retry-After while the vendor is down, and its token afterwards', async () => {
    const token = await provider.signIn('ada@example.com')
    api.answerWith((response) => void response.writeHead(504).end())
    expect(await embedTokenProvider(token)).toMatchObject({
      status: 503,
      code: 'vendor_unavailable',
      retryAfter: expect.stringMatching(/^\d+$/),
    })
    api.answerWith((response) => {
      response.end(JSON.stringify({ data: { embedToken: 'embed-token-1', expiresIn: 900 } }))
    })
    expect(await embedTokenProvider(token)).toMatchObject({ embedToken: 'embed-token-1' })
  })

  it('is never signed out by an identity provider that is down', async () => {
    const token = await provider.signIn('ada@example.com')
    await provider.close()
    expect(await embedTokenProvider(token)).toMatchObject({ status: 503, code: 'session_source_unavailable' })
  })

  it('gets a network fault, not an answer, while the broker is down', async () => {
    const token = await provider.signIn('ada@example.com')
    await broker.close()
    await expect(embedTokenProvider(token)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })
})
