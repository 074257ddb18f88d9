import { beforeAll, describe, expect, it } from 'vitest'
import { signSession } from '../peers/broker.ts'
import type { HeaderLines } from '../peers/exchange.ts'
import { broker as client, startIdentityProvider, type IdentityProvider } from '../peers/identity-provider.ts'
import { issuedByClouds } from '../peers/issued-by-clouds.ts'
import { issuedByServices } from '../peers/issued-by-services.ts'
import { completeClaims } from '../peers/issued-tokens.ts'
import {
  findRecipe,
  followRecipe,
  ruleOf,
  settingsAt,
  signedIn,
  signedOut,
  unknown,
  whenRequired,
} from '../peers/recipes.ts'

// The providers are oidc-provider, which issues tokens as they document theirs.

const issuedTokens = { ...issuedByServices, ...issuedByClouds }

/** The token where the recipe looks for it. */
function place(source: string, token: string): HeaderLines {
  const [kind, name] = source.split(':') as [string, string]
  return [kind === 'cookie' ? ['Cookie', `theme=dark; ${name}=${token}`] : [name, token]]
}

/** Starts the provider with its issuer or its keys at the path that they really have. */
function startProvider(name: string): Promise<IdentityProvider> {
  const { jwksPath } = issuedTokens[name]!
  if (jwksPath !== undefined) return startIdentityProvider({ jwksPath })
  const { SESSION_JWT_ISSUER: issuer = '' } = findRecipe(name).settings
  return startIdentityProvider({ path: issuer.replace(/^https:\/\/[^/]+/, '') })
}

async function openProvider(name: string) {
  const provider = await startProvider(name)
  const { origin } = new URL(provider.issuer)
  const { SESSION_JWT_ISSUER: issuer, SESSION_JWT_SOURCE: source } = settingsAt(name, origin)
  const { claims, algorithm = 'RS256' } = issuedTokens[name]!

  /** A token of its user, where the recipe looks for it. */
  async function issue(changes: Record<string, unknown> = {}): Promise<HeaderLines> {
    const all = completeClaims(issuer!, { ...claims, ...changes })
    return place(source!, await provider.issue(all, algorithm))
  }

  return { origin, issue }
}

describe.each(Object.entries(issuedTokens))('The recipe for %s', (name, issued) => {
  const { alsoGood = {}, renamed, refused } = issued
  let provider: Awaited<ReturnType<typeof openProvider>>

  beforeAll(async () => {
    provider = await openProvider(name)
  })

  it('signs in its user', async () => {
    const { ask } = await followRecipe(name, provider.origin)
    expect(await ask(...(await provider.issue()))).toMatchObject(signedIn)
  })

  it.each(Object.entries(alsoGood))('accepts %s', async (_, changes) => {
    const { ask } = await followRecipe(name, provider.origin)
    expect(await ask(...(await provider.issue(changes)))).toMatchObject(signedIn)
  })

  it('identifies its user by an id that stays the same with a new email', async () => {
    const { ask } = await followRecipe(name, provider.origin)
    const { subject } = await ask(...(await provider.issue()))
    expect(await ask(...(await provider.issue(renamed)))).toMatchObject({ status: 200, subject })
  })

  it.each(refused.map((one) => [one.what, one] as const))('refuses %s', async (_, { changes, refusal }) => {
    const { ask, broker } = await followRecipe(name, provider.origin)
    const { code } = refusal
    expect(await ask(...(await provider.issue(changes)))).toMatchObject({ code, emails: [] })
    await expect.poll(() => broker.logLines().at(-1)).toMatchObject(refusal)
  })

  it('treats a visitor without a token as signed out', async () => {
    const { ask } = await followRecipe(name, provider.origin)
    expect(await ask()).toMatchObject(unknown)
  })

  it('says what SESSION_REQUIRE_VERIFIED_EMAIL=true does', async () => {
    expect(await whenRequired(name, provider.origin, await provider.issue())).toBe(ruleOf(name))
  })
})

describe("The recipe for Clerk without the option, if other apps share Clerk's domain,", () => {
  it('refuses a token for a page load, which has no party', async () => {
    const { origin, issue } = await openProvider('Clerk')
    const { ask } = await followRecipe('Clerk', origin, { SESSION_JWT_AUTHORIZED_PARTY_OPTIONAL: 'false' })
    expect(await ask(...(await issue({ azp: undefined })))).toMatchObject(signedOut)
    expect(await ask(...(await issue()))).toMatchObject(signedIn)
  })
})

describe('The recipe for tokens of your own', () => {
  const name = 'Tokens that your app signs with HS256'
  const { SESSION_JWT_SECRET: secret, SESSION_JWT_AUDIENCE: aud } = findRecipe(name).settings
  const sign = async (claims: Record<string, unknown> = {}): Promise<HeaderLines> =>
    place('cookie:token', await signSession({ aud, ...claims }, secret))

  it('signs in its user', async () => {
    const { ask } = await followRecipe(name, '')
    expect(await ask(...(await sign()))).toMatchObject(signedIn)
  })

  it.each([
    ['for another purpose', { aud: 'password-reset' }],
    ['without an audience', { aud: undefined }],
    ['that has expired', { exp: 1_640_991_600 }],
  ])('refuses a token %s', async (_, claims) => {
    const { ask } = await followRecipe(name, '')
    expect(await ask(...(await sign(claims)))).toMatchObject(signedOut)
  })

  it('says what SESSION_REQUIRE_VERIFIED_EMAIL=true does', async () => {
    expect(await whenRequired(name, '', await sign())).toBe(ruleOf(name))
    expect(await whenRequired(name, '', await sign({ email_verified: true }))).toBe('accepts the user')
  })
})

describe('The recipe for introspection', () => {
  const name = 'introspection'
  const own = {
    SESSION_INTROSPECTION_CLIENT_ID: client.id,
    SESSION_INTROSPECTION_CLIENT_SECRET: client.secret,
  }
  let server: IdentityProvider

  beforeAll(async () => {
    server = await startIdentityProvider()
  })

  const signIn = async () => place('cookie:access_token', await server.signIn('ada@example.com'))

  it('signs in the user of an OAuth server', async () => {
    const { ask } = await followRecipe(name, server.issuer, own)
    expect(await ask(...(await signIn()))).toMatchObject(signedIn)
  })

  it('refuses a token that the server revoked', async () => {
    const { ask } = await followRecipe(name, server.issuer, own)
    const token = await server.signIn('ada@example.com')
    await server.revoke(token)
    expect(await ask(...place('cookie:access_token', token))).toMatchObject(signedOut)
  })

  it('says what SESSION_REQUIRE_VERIFIED_EMAIL=true does', async () => {
    expect(await whenRequired(name, server.issuer, await signIn(), own)).toBe(ruleOf(name))
  })
})
