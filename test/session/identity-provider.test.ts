import { beforeAll, describe, expect, it } from 'vitest'
import type { SessionVerifier } from '../../src/session/verifier.ts'
import { createIntrospectionVerifier } from '../../src/session/introspection.ts'
import { createJwtVerifier } from '../../src/session/jwt.ts'
import { useClient } from '../peers/client.ts'
import { openDoor, type Door } from '../peers/door.ts'
import { broker, resource, startIdentityProvider, type IdentityProvider } from '../peers/identity-provider.ts'
import { bearer, type Algorithm } from '../peers/token.ts'

// The peer is oidc-provider, a certified third-party implementation.

const client = useClient({ maxConnections: 8, connectTimeoutMs: 10_000 })
const algorithms: Algorithm[] = ['RS256', 'ES256', 'EdDSA']
let provider: IdentityProvider
let door: Door

beforeAll(async () => {
  provider = await startIdentityProvider()
})

const shared = { client, source: ['bearer'], timeoutMs: 10_000 }

function createJwt(changes: { audiences?: string[]; algorithms?: Algorithm[] } = {}): SessionVerifier {
  const { issuer, jwksUrl } = provider
  const rules = { issuer, audiences: [resource], algorithms }
  return createJwtVerifier({ ...shared, key: { jwksUrl }, ...rules, rememberMs: 0, ...changes })
}

function createIntrospection(
  changes: { clientSecrets?: string[]; rememberMs?: number } = {},
): SessionVerifier {
  const credentials = { clientId: broker.id, clientSecrets: [broker.secret] }
  const endpoint = { url: provider.introspectionUrl }
  return createIntrospectionVerifier({ ...shared, endpoint, ...credentials, rememberMs: 0, ...changes })
}

describe('access tokens of an OpenID provider', () => {
  it.each(algorithms)('are sessions when they are JWTs by %s', async (algorithm) => {
    door = await openDoor([createJwt()])
    const token = await provider.signIn('ann@example.com', algorithm)
    expect(await door.ask(bearer(token))).toMatchObject({ status: 200, email: 'ann@example.com' })
  })

  it.each(algorithms)(
    'by %s stay valid after a rotation, and those of the new key are accepted at once',
    async (algorithm) => {
      door = await openDoor([createJwt()])
      const before = await provider.signIn('ann@example.com', algorithm)
      expect(await door.ask(bearer(before))).toMatchObject({ status: 200 })
      provider.rotate('published')
      const after = await provider.signIn('bob@example.com', algorithm)
      expect(await door.ask(bearer(after))).toMatchObject({ status: 200, email: 'bob@example.com' })
      expect(await door.ask(bearer(before))).toMatchObject({ status: 200, email: 'ann@example.com' })
    },
  )

  it('are refused when the rotation withdrew their key', async () => {
    door = await openDoor([createJwt()])
    const before = await provider.signIn('ann@example.com', 'ES256')
    expect(await door.ask(bearer(before))).toMatchObject({ status: 200 })
    provider.rotate('withdrawn')
    const after = await provider.signIn('bob@example.com', 'ES256')
    expect(await door.ask(bearer(after))).toMatchObject({ status: 200, email: 'bob@example.com' })
    expect(await door.ask(bearer(before))).toMatchObject({ status: 401, outcome: 'unknown_key' })
  })

  it('are refused when they are for another audience, or of an algorithm that is not listed', async () => {
    const token = await provider.signIn('ann@example.com', 'ES256')
    door = await openDoor([createJwt({ audiences: ['https://other.example.com'] })])
    expect(await door.ask(bearer(token))).toMatchObject({ status: 401, outcome: 'claim_aud' })
    await door.close()
    door = await openDoor([createJwt({ algorithms: ['RS256'] })])
    expect(await door.ask(bearer(token))).toMatchObject({ status: 401, outcome: 'algorithm_not_allowed' })
  })
})

describe('token introspection at an OpenID provider', () => {
  it('makes an opaque token a session, until it is revoked', async () => {
    door = await openDoor([createIntrospection()])
    const token = await provider.signIn('ann@example.com')
    expect(await door.ask(bearer(token))).toMatchObject({ status: 200, email: 'ann@example.com' })
    await provider.revoke(token)
    expect(await door.ask(bearer(token))).toMatchObject({ status: 401, outcome: 'inactive' })
  })

  it('refuses a token that the provider never gave', async () => {
    door = await openDoor([createIntrospection()])
    expect(await door.ask(bearer('made-up'))).toMatchObject({ status: 401, outcome: 'inactive' })
  })

  it('refuses a token of a kind that the provider does not introspect, which is not an outage', async () => {
    door = await openDoor([createIntrospection()])
    const token = await provider.signIn('ann@example.com', 'RS256')
    expect(await door.ask(bearer(token))).toMatchObject({ status: 401, outcome: 'unsupported_token_type' })
  })

  it('is an outage when the provider refuses the broker itself', async () => {
    door = await openDoor([createIntrospection({ clientSecrets: ['wrong'] })])
    const token = await provider.signIn('ann@example.com')
    expect(await door.ask(bearer(token))).toMatchObject({ status: 503, outcome: 'client_refused' })
  })

  it('gives a user the same subject as the JWT mode does', async () => {
    door = await openDoor([createIntrospection()])
    const opaque = await door.ask(bearer(await provider.signIn('ann@example.com')))
    await door.close()
    door = await openDoor([createJwt()])
    const signed = await door.ask(bearer(await provider.signIn('ann@example.com', 'EdDSA')))
    expect(signed.subject).toBe(opaque.subject)
  })
})
