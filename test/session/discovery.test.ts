import { createServer } from 'node:https'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createHttpClient } from '../../src/outbound/client.ts'
import { createIntrospectionVerifier } from '../../src/session/introspection.ts'
import { createJwtVerifier } from '../../src/session/jwt.ts'
import type { SessionVerifier } from '../../src/session/verifier.ts'
import { makeCertificates, opensslMissing } from '../peers/certificates.ts'
import { useClient } from '../peers/client.ts'
import { openDoor, type Door } from '../peers/door.ts'
import { answerJson, startEndpoint, type Endpoint } from '../peers/endpoint.ts'
import { broker, resource, startIdentityProvider, type IdentityProvider } from '../peers/identity-provider.ts'
import { listen } from '../peers/listen.ts'
import { audience, bearer, createToken, keySet } from '../peers/token.ts'

const client = createHttpClient({ maxConnections: 8, connectTimeoutMs: 10_000 })
const shared = { client, source: ['bearer'], timeoutMs: 10_000, rememberMs: 0 }
let provider: Endpoint
let door: Door

beforeEach(async () => {
  provider = await startEndpoint(() => undefined)
})

afterEach(async () => {
  await door.close()
  await provider.close()
})

afterAll(() => client.close())

function createJwt(issuer: string, audiences = [audience]): SessionVerifier {
  const rules = { issuer, audiences, algorithms: ['RS256'] }
  return createJwtVerifier({ ...shared, ...rules, key: { discovery: issuer } })
}

/** A provider with this document; its keys are at `/keys`. */
function publish(document: object): void {
  provider.answer = (request, response) =>
    answerJson(request.url === '/keys' ? keySet : document)(request, response)
}

const paths = () => provider.received.map(({ url }) => url)

describe('an issuer alone', () => {
  it.each(['', '/', '/realms/main', '/realms/main/'])(
    'with the path "%s" is enough for its tokens',
    async (path) => {
      const issuer = provider.origin + path
      publish({ issuer, jwks_uri: `${provider.origin}/keys` })
      door = await openDoor([createJwt(issuer)])
      const token = bearer(createToken({ claims: { iss: issuer } }))
      expect(await door.ask(token)).toMatchObject({ status: 200, email: 'ann@example.com' })
      expect(await door.ask(token)).toMatchObject({ status: 200 })
      expect(paths()).toEqual([`${path.replace(/\/$/, '')}/.well-known/openid-configuration`, '/keys'])
    },
  )

  it('is asked with the User-Agent of the broker, like its keys and its introspection', async () => {
    const issuer = provider.origin
    const endpoints = { jwks_uri: `${issuer}/keys`, introspection_endpoint: `${issuer}/introspect` }
    publish({ issuer, active: true, email: 'ann@example.com', ...endpoints })
    const credentials = { clientId: broker.id, clientSecrets: [broker.secret] }
    const introspection = createIntrospectionVerifier({
      ...shared,
      ...credentials,
      source: ['cookie:token'],
      endpoint: { issuer },
    })
    door = await openDoor([createJwt(issuer), introspection])
    const browser = ['User-Agent', 'Mozilla/5.0'] as const
    await door.ask([...bearer(createToken({ claims: { iss: issuer } })), browser])
    expect(await door.ask([['Cookie', 'token=opaque'], browser])).toMatchObject({ status: 200 })
    const document = '/.well-known/openid-configuration'
    expect(paths()).toEqual([document, '/keys', document, '/introspect'])
    const agents = provider.received.map(({ headers }) => headers['user-agent'])
    expect(new Set(agents)).toEqual(new Set(['returning-ai-token-broker']))
  })

  it('is not asked before the first token', async () => {
    door = await openDoor([createJwt(provider.origin)])
    expect(await door.ask([])).toMatchObject({ status: 401 })
    expect(provider.received).toEqual([])
  })

  it.each<[string, object | ((origin: string) => object), string]>([
    [
      'is of another issuer',
      (origin) => ({ issuer: `${origin}/`, jwks_uri: `${origin}/keys` }),
      'discovery_issuer_differs',
    ],
    ['names no keys', (origin) => ({ issuer: origin }), 'discovery_address_missing'],
    [
      'names keys elsewhere by plain http',
      (origin) => ({ issuer: origin, jwks_uri: 'http://id.example.com/keys' }),
      'discovery_address_refused',
    ],
    [
      'names a file',
      (origin) => ({ issuer: origin, jwks_uri: 'file:///etc/passwd' }),
      'discovery_address_refused',
    ],
    ['is a list', [], 'discovery_not_a_document'],
    [
      'is larger than 256 KB',
      (origin) => ({ issuer: origin, jwks_uri: `${origin}/keys`, padding: 'x'.repeat(256 * 1024) }),
      'body_too_large',
    ],
  ])('is an outage, never a 401, when its document %s', async (_name, document, outcome) => {
    publish(
      typeof document === 'function' ? (document as (origin: string) => object)(provider.origin) : document,
    )
    door = await openDoor([createJwt(provider.origin)])
    const token = bearer(createToken({ claims: { iss: provider.origin } }))
    expect(await door.ask(token)).toMatchObject({ status: 503, outcome })
    expect(await door.ask(token)).toMatchObject({ status: 503, outcome })
    expect(provider.received).toHaveLength(1)
  })

  it('is an outage when its document has moved, because redirects are not followed', async () => {
    provider.answer = (_request, response) => void response.writeHead(302, { Location: '/elsewhere' }).end()
    door = await openDoor([createJwt(provider.origin)])
    const token = bearer(createToken({ claims: { iss: provider.origin } }))
    expect(await door.ask(token)).toMatchObject({ status: 503, outcome: 'discovery_status_302' })
    expect(paths()).not.toContain('/elsewhere')
  })
})

describe.skipIf(opensslMissing)(`an issuer over https ${opensslMissing ?? ''}`, () => {
  it('may not name keys by plain http, not even on a private network', async () => {
    const { ca, valid } = makeCertificates()
    const server = createServer(valid, (_request, response) => {
      response.end(JSON.stringify({ issuer, jwks_uri: `${provider.origin}/keys` }))
    })
    const issuer = (await listen(server)).replace('http://127.0.0.1', 'https://localhost')
    provider.answer = answerJson(keySet)
    const trusting = useClient({ maxConnections: 8, connectTimeoutMs: 10_000, ca })
    const rules = { issuer, audiences: [audience], algorithms: ['RS256'] }
    door = await openDoor([
      createJwtVerifier({ ...shared, ...rules, client: trusting, key: { discovery: issuer } }),
    ])
    const token = bearer(createToken({ claims: { iss: issuer } }))
    expect(await door.ask(token)).toMatchObject({ status: 503, outcome: 'discovery_address_refused' })
    expect(provider.received).toEqual([])
  })
})

describe('oidc-provider, found by its issuer alone', () => {
  let identity: IdentityProvider

  beforeAll(async () => {
    identity = await startIdentityProvider()
  })

  afterAll(() => identity.close())

  it('has its JWTs verified', async () => {
    door = await openDoor([createJwt(identity.issuer, [resource])])
    const token = await identity.signIn('ann@example.com', 'RS256')
    expect(await door.ask(bearer(token))).toMatchObject({ status: 200, email: 'ann@example.com' })
  })

  it('has its opaque tokens introspected', async () => {
    const credentials = { clientId: broker.id, clientSecrets: [broker.secret] }
    const endpoint = { issuer: identity.issuer }
    door = await openDoor([createIntrospectionVerifier({ ...shared, ...credentials, endpoint })])
    const token = await identity.signIn('ann@example.com')
    expect(await door.ask(bearer(token))).toMatchObject({ status: 200, email: 'ann@example.com' })
  })
})
