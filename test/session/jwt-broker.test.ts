import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startBroker, type RunningBroker } from '../peers/broker.ts'
import { startVendor, type Vendor } from '../peers/vendor.ts'
import { badTokens } from '../peers/bad-token.ts'
import { answerJson, startEndpoint, type Endpoint } from '../peers/endpoint.ts'
import { broker as brokerClient, resource, startIdentityProvider } from '../peers/identity-provider.ts'
import type { IdentityProvider } from '../peers/identity-provider.ts'
import { audience, createToken, issuer, keySet } from '../peers/token.ts'

let vendor: Vendor
let keyServer: Endpoint
let broker: RunningBroker

beforeAll(async () => {
  vendor = await startVendor()
  keyServer = await startEndpoint(answerJson(keySet))
  broker = await startBroker({
    WIDGET_BASE_URL: vendor.url,
    SESSION_JWT_SECRET: undefined,
    SESSION_JWT_JWKS_URL: keyServer.origin,
    SESSION_JWT_ISSUER: issuer,
    SESSION_JWT_AUDIENCE: audience,
  })
})

beforeEach(() => {
  vendor.requests.length = 0
})

async function ask(token: string, asked = broker) {
  const answer = await asked.askToken({ authorization: `Bearer ${token}` })
  const { code } = (await answer.json()) as { code?: string }
  return { status: answer.status, code, emails: vendor.requests.map(({ headers }) => headers.email) }
}

describe('The broker with JWT sessions', () => {
  it('signs in the user of a valid token', async () => {
    expect(await ask(createToken())).toMatchObject({ status: 200, emails: ['ann@example.com'] })
  })

  it.each(badTokens)('does not call the vendor for a token that %s', async (_name, token) => {
    expect(await ask(token)).toEqual({ status: 401, code: 'session_invalid', emails: [] })
  })

  it('does not call the vendor for a valid token without a usable email', async () => {
    const refused = { status: 403, code: 'identity_unusable', emails: [] }
    expect(await ask(createToken({ claims: { email: ['ann@example.com'] } }))).toEqual(refused)
  })

  it('logs why a token was refused, but not what it contained', async () => {
    const token = createToken({ claims: { iss: 'https://canary.example.net', email: 'canary@example.net' } })
    await ask(token)
    expect(broker.logLines().at(-1)).toMatchObject({ code: 'session_invalid', outcome: 'claim_iss' })
    for (const secret of ['canary', ...token.split('.')]) expect(broker.logText()).not.toContain(secret)
  })

  it('answers 503 with Retry-After and does not call the vendor if there are no keys', async () => {
    const lost = await startBroker({
      WIDGET_BASE_URL: vendor.url,
      SESSION_JWT_SECRET: undefined,
      SESSION_JWT_JWKS_URL: `${vendor.url}/no-keys-here`,
      SESSION_JWT_ISSUER: issuer,
      SESSION_JWT_AUDIENCE: audience,
    })
    vendor.answerWith((response) => void response.writeHead(500).end())
    const answer = await lost.askToken({ authorization: `Bearer ${createToken()}` })
    vendor.answerWith()
    await lost.close()
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5'])
    expect(await answer.json()).toMatchObject({ code: 'session_source_unavailable' })
    expect(vendor.requests.map(({ url }) => url)).toEqual(['/no-keys-here'])
  })
})

describe('The broker with an OpenID provider', () => {
  let provider: IdentityProvider

  beforeAll(async () => {
    provider = await startIdentityProvider()
  })

  it('signs in by JWT, also right after a rotation', async () => {
    const rotating = await startBroker({
      WIDGET_BASE_URL: vendor.url,
      SESSION_JWT_SECRET: undefined,
      SESSION_JWT_JWKS_URL: provider.jwksUrl.href,
      SESSION_JWT_ISSUER: provider.issuer,
      SESSION_JWT_AUDIENCE: resource,
    })
    await ask(await provider.signIn('ann@example.com', 'RS256'), rotating)
    provider.rotate('published')
    const last = await ask(await provider.signIn('bob@example.com', 'EdDSA'), rotating)
    await rotating.close()
    expect(last).toMatchObject({ status: 200, emails: ['ann@example.com', 'bob@example.com'] })
  })

  it('signs in by introspection, and not once the token is revoked', async () => {
    const introspecting = await startBroker({
      WIDGET_BASE_URL: vendor.url,
      SESSION_MODE: 'introspection',
      SESSION_JWT_SECRET: undefined,
      SESSION_INTROSPECTION_URL: provider.introspectionUrl.href,
      SESSION_INTROSPECTION_CLIENT_ID: brokerClient.id,
      SESSION_INTROSPECTION_CLIENT_SECRET: brokerClient.secret,
      SESSION_CACHE_SECONDS: '0',
    })
    const token = await provider.signIn('ann@example.com')
    const before = await ask(token, introspecting)
    await provider.revoke(token)
    vendor.requests.length = 0
    const after = await ask(token, introspecting)
    const log = introspecting.logText()
    await introspecting.close()
    expect(before).toMatchObject({ status: 200, emails: ['ann@example.com'] })
    expect(after).toEqual({ status: 401, code: 'session_invalid', emails: [] })
    for (const secret of [token, brokerClient.secret, 'ann@']) expect(log).not.toContain(secret)
  })
})
