import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { createJwtVerifier, type JwtVerifierOptions } from '../../src/session/jwt.ts'
import { badTokens, inSeconds, pem, strangers } from '../peers/bad-token.ts'
import { findMixups } from '../peers/crowd.ts'
import { useClient } from '../peers/client.ts'
import { openDoor, type Door } from '../peers/door.ts'
import { answerJson, startEndpoint, type Endpoint } from '../peers/endpoint.ts'
import { audience, bearer, createToken, encode, issuer, keys, keySet, secret, toJwk } from '../peers/token.ts'

const client = useClient({ maxConnections: 8, connectTimeoutMs: 10_000 })
let provider: Endpoint
let door: Door

function createVerifier(changes: Partial<JwtVerifierOptions> = {}) {
  return createJwtVerifier({
    client,
    source: ['bearer'],
    key: { jwksUrl: new URL('/jwks', provider.origin) },
    issuer,
    audiences: [audience],
    algorithms: ['RS256', 'ES256', 'EdDSA'],
    timeoutMs: 10_000,
    rememberMs: 30_000,
    ...changes,
  })
}

const open = (changes: Partial<JwtVerifierOptions>, policy = {}) =>
  openDoor([createVerifier(changes)], policy)

beforeAll(async () => {
  provider = await startEndpoint(answerJson(keySet))
  door = await open({})
})

describe('A valid token', () => {
  it.each(['RS256', 'ES256', 'EdDSA'])('signed by %s is the session of its email', async (alg) => {
    expect(await door.ask(bearer(createToken({ header: { alg } })))).toMatchObject({
      status: 200,
      email: 'ann@example.com',
    })
  })

  it.each<[string, Parameters<typeof createToken>[0]]>([
    ['expired five seconds ago, within the clock tolerance', { claims: { exp: inSeconds(-5) } }],
    ['expires in a hundred years', { claims: { exp: inSeconds(100 * 365 * 86_400) } }],
    ['was issued ten seconds ahead of this clock', { claims: { iat: inSeconds(10) } }],
    ['has no iat', { claims: { iat: undefined } }],
    ['is for this audience among others', { claims: { aud: ['https://other.example.com', audience] } }],
    ['repeats its email claim: the last one counts', { payload: repeatedEmail() }],
    ['names no key if only one fits', { header: { kid: undefined } }],
    ['is an access token by RFC 9068', { header: { typ: 'at+jwt' } }],
    [
      'is signed by Ed25519 as RFC 9864 names it',
      { header: { alg: 'Ed25519', kid: 'EdDSA' }, key: keys.EdDSA.privateKey },
    ],
  ])('passes that %s', async (_name, parts) => {
    expect(await door.ask(bearer(createToken(parts)))).toMatchObject({
      status: 200,
      email: 'ann@example.com',
    })
  })
})

function repeatedEmail(): string {
  const claims = { iss: issuer, aud: audience, sub: 'user-1', exp: inSeconds(300) }
  return `${JSON.stringify(claims).slice(0, -1)},"email":"first@example.com","email":"ann@example.com"}`
}

describe('An invalid token', () => {
  it.each(badTokens)('is refused that %s', async (_name, token, outcome) => {
    const verdict = await door.ask(bearer(token))
    expect(verdict).toMatchObject({ status: 401, code: 'session_invalid', outcome })
  })

  it.each([' ', '\t', '\n'])(
    'J18 is refused with whitespace %j in it, which decoders skip',
    async (space) => {
      const verifier = createVerifier()
      const token = createToken()
      const spaced = `${token.slice(0, -4)}${space}${token.slice(-4)}`
      await expect(verifier.verify(spaced, new AbortController().signal)).rejects.toMatchObject({
        status: 401,
      })
    },
  )

  it('never chooses where its key comes from', async () => {
    const lure = await startEndpoint(answerJson({ keys: [toJwk(strangers, { kid: 'x', alg: 'RS256' })] }))
    const jwk = strangers.publicKey.export({ format: 'jwk' })
    const url = `${lure.origin}/keys`
    const headers = [
      { jwk },
      { jku: url },
      { x5u: url },
      { x5c: [encode(pem)] },
      { jwk, kid: undefined },
      { kid: url },
    ]
    for (const header of headers) {
      const alone = await open({})
      const verdict = await alone.ask(bearer(createToken({ header, key: strangers.privateKey })))
      expect(verdict).toMatchObject({ status: 401, code: 'session_invalid' })
    }
    expect(lure.received).toEqual([])
    await lure.close()
  })

  it('is refused for an algorithm that is not listed, even if a key of the set fits', async () => {
    const strict = await open({ algorithms: ['RS256'] })
    const verdict = await strict.ask(bearer(createToken({ header: { alg: 'ES256' } })))
    expect(verdict).toMatchObject({ status: 401, outcome: 'algorithm_not_allowed' })
  })

  it.each<[string, unknown]>([
    ['a list', ['ann@example.com']],
    ['an object', { value: 'ann@example.com' }],
    ['a number', 7],
    ['missing', undefined],
    ['two lines', 'ann@example.com\r\nx: 1'],
    ['not ASCII', 'jos\u00e9@example.com'],
    ['of two at-signs', 'ann@evil.example@example.com'],
  ])('is refused with 403 if its email is %s', async (_name, email) => {
    const verdict = await door.ask(bearer(createToken({ claims: { email } })))
    expect(verdict).toMatchObject({ status: 403, code: 'identity_unusable' })
  })

  it('is refused with 403 if its email is unverified and the policy requires it', async () => {
    const strict = await open({}, { requireVerifiedEmail: true })
    const ask = (email_verified: unknown) => strict.ask(bearer(createToken({ claims: { email_verified } })))
    for (const value of [false, 'false', 1, undefined]) {
      expect(await ask(value)).toMatchObject({ status: 403, code: 'email_unverified' })
    }
    for (const value of [true, 'true']) expect(await ask(value)).toMatchObject({ status: 200 })
  })

  it('never becomes a session, whichever part of a valid one is replaced', async () => {
    const parts = createToken().split('.')
    const verifier = createVerifier({ key: { publicKeys: [pem] } })
    const anyPart = fc.oneof(fc.string(), fc.base64String(), fc.json().map(encode))
    await fc.assert(
      fc.asyncProperty(fc.nat(2), anyPart, async (index, part) => {
        fc.pre(part !== parts[index])
        const token = parts.with(index, part).join('.')
        const verified = verifier.verify(token, new AbortController().signal)
        await expect(verified).rejects.toMatchObject({ status: 401, code: 'session_invalid' })
      }),
      { numRuns: 300 },
    )
  })
})

describe('The authorized party', () => {
  const azp = 'https://app.example.com'

  it('replaces an audience, and is compared exactly', async () => {
    const clerk = await open({ audiences: [], authorizedParties: [azp] })
    const ask = (claims: object) => clerk.ask(bearer(createToken({ claims: { aud: undefined, ...claims } })))
    expect(await ask({ azp })).toMatchObject({ status: 200 })
    for (const wrong of [`${azp}/`, [azp], undefined]) {
      expect(await ask({ azp: wrong })).toMatchObject({ status: 401, outcome: 'claim_azp' })
    }
  })

  it('is one of several', async () => {
    const clerk = await open({ audiences: [], authorizedParties: ['https://other.example.com', azp] })
    const ask = (party: string) => clerk.ask(bearer(createToken({ claims: { aud: undefined, azp: party } })))
    expect(await ask(azp)).toMatchObject({ status: 200 })
    expect(await ask('https://other.example.com')).toMatchObject({ status: 200 })
    expect(await ask('https://third.example.com')).toMatchObject({ status: 401, outcome: 'claim_azp' })
  })

  it('is required in addition to an audience if both are configured', async () => {
    const both = await open({ authorizedParties: [azp] })
    expect(await both.ask(bearer(createToken()))).toMatchObject({ status: 401, outcome: 'claim_azp' })
    const foreign = createToken({ claims: { azp, aud: 'other' } })
    expect(await both.ask(bearer(foreign))).toMatchObject({ status: 401, outcome: 'claim_aud' })
  })
})

const clerk = { aud: undefined, sid: 'sess_1' }
const inCookie = (token: string) => [['Cookie', `__session=${token}`]] as const

describe('An optional authorized party', () => {
  const azp = 'https://app.example.com'

  const openClerk = (changes: Partial<JwtVerifierOptions> = {}) =>
    open({
      source: ['cookie:__session', 'bearer'],
      audiences: [],
      authorizedParties: [azp],
      authorizedPartyOptional: true,
      ...changes,
    })

  it.each<[string, object]>([
    ['without azp', clerk],
    ['with a listed azp', { ...clerk, azp }],
  ])('accepts a session cookie %s', async (_name, claims) => {
    expect(await (await openClerk()).ask(inCookie(createToken({ claims: { ...claims } })))).toMatchObject({
      status: 200,
    })
  })

  it.each<[string, object]>([
    ['with an azp that is not listed', { ...clerk, azp: 'https://evil.example.com' }],
    ['with null for azp', { ...clerk, azp: null }],
    ['without azp and sid', { ...clerk, sid: undefined }],
    ['without azp and with an empty sid', { ...clerk, sid: '' }],
    ['without azp, for an audience', { ...clerk, aud: audience }],
  ])('refuses a session cookie %s', async (_name, claims) => {
    const verdict = await (await openClerk()).ask(inCookie(createToken({ claims: { ...claims } })))
    expect(verdict).toMatchObject({ status: 401, outcome: 'claim_azp' })
  })

  it('refuses a bearer token without azp, even if its cookie was accepted before', async () => {
    const door = await openClerk()
    const token = createToken({ claims: clerk })
    expect(await door.ask(inCookie(token))).toMatchObject({ status: 200 })
    expect(await door.ask(bearer(token))).toMatchObject({ status: 401, outcome: 'claim_azp' })
  })

  it('does not replace a configured audience', async () => {
    const both = await openClerk({ audiences: [audience] })
    const verdict = await both.ask(inCookie(createToken({ claims: clerk })))
    expect(verdict).toMatchObject({ status: 401, outcome: 'claim_aud' })
  })
})

describe('Several audiences', () => {
  it.each<[string, unknown, number]>([
    ['the first', 'web', 200],
    ['the second', 'mobile', 200],
    ['a list with one of them', ['api', 'mobile'], 200],
    ['both in one string', 'web,mobile', 401],
    ['another', 'api', 401],
    ['nobody', undefined, 401],
  ])('make a token for %s %s', async (_name, aud, status) => {
    const several = await open({ audiences: ['web', 'mobile'] })
    expect(await several.ask(bearer(createToken({ claims: { aud } })))).toMatchObject({ status })
  })
})

const header = (fields: object) => encode(JSON.stringify(fields))

describe('An encrypted token', () => {
  it.each<[string, string]>([
    ['of Auth.js', `${header({ alg: 'dir', enc: 'A256CBC-HS512' })}..AAAA.AAAA.AAAA`],
    ['with a wrapped key', `${header({ alg: 'RSA-OAEP', enc: 'A256GCM' })}.AAAA.AAAA.AAAA.AAAA`],
  ])('%s is refused as such', async (_name, token) => {
    expect(await door.ask(bearer(token))).toMatchObject({ status: 401, outcome: 'token_encrypted' })
  })
})

describe('A fixed key', () => {
  it('as PEM verifies without a request', async () => {
    const fixed = await open({ key: { publicKeys: [pem] } })
    const before = provider.received.length
    expect(await fixed.ask(bearer(createToken()))).toMatchObject({ status: 200 })
    expect(await fixed.ask(bearer(createToken({ header: { kid: undefined } })))).toMatchObject({
      status: 200,
    })
    const wrongKind = await fixed.ask(bearer(createToken({ header: { alg: 'ES256' } })))
    expect(wrongKind).toMatchObject({ status: 401, code: 'session_invalid' })
    expect(provider.received).toHaveLength(before)
  })

  it.each(['ES256', 'EdDSA'] as const)('as PEM serves %s too', async (alg) => {
    const publicKey = keys[alg].publicKey.export({ type: 'spki', format: 'pem' }).toString()
    const fixed = await open({ key: { publicKeys: [publicKey] } })
    expect(await fixed.ask(bearer(createToken({ header: { alg } })))).toMatchObject({ status: 200 })
  })

  it('of type Ed25519 serves both names of its algorithm if EdDSA is listed, and only the new one otherwise', async () => {
    const publicKey = keys.EdDSA.publicKey.export({ type: 'spki', format: 'pem' }).toString()
    const ask = async (algorithms: string[], alg: string) => {
      const fixed = await open({ key: { publicKeys: [publicKey] }, algorithms })
      return (await fixed.ask(bearer(createToken({ header: { alg }, key: keys.EdDSA.privateKey })))).status
    }
    expect(await ask(['EdDSA'], 'EdDSA')).toBe(200)
    expect(await ask(['EdDSA'], 'Ed25519')).toBe(200)
    expect(await ask(['Ed25519'], 'Ed25519')).toBe(200)
    expect(await ask(['Ed25519'], 'EdDSA')).toBe(401)
  })

  it('may be one of two, as during a rotation', async () => {
    const strange = strangers.publicKey.export({ type: 'spki', format: 'pem' }).toString()
    const fixed = await open({ key: { publicKeys: [strange, pem] } })
    expect(await fixed.ask(bearer(createToken()))).toMatchObject({ status: 200 })
    expect(await fixed.ask(bearer(createToken({ key: strangers.privateKey })))).toMatchObject({ status: 200 })
    const secrets = ['a new secret that has at least 32 bytes', secret]
    const shared = await open({ key: { secrets }, algorithms: ['HS256'] })
    for (const hmac of secrets)
      expect(await shared.ask(bearer(createToken({ hmac })))).toMatchObject({ status: 200 })
    expect(await shared.ask(bearer(createToken({ hmac: `${secret}.` })))).toMatchObject({
      status: 401,
      outcome: 'wrong_signature',
    })
  })

  it('as a secret serves only HS256', async () => {
    const shared = await open({
      key: { secrets: [secret] },
      algorithms: ['HS256'],
      issuer: undefined,
      audiences: [],
    })
    expect(await shared.ask(bearer(createToken({ hmac: secret })))).toMatchObject({ status: 200 })
    const wrongSecret = await shared.ask(bearer(createToken({ hmac: `${secret}.` })))
    expect(wrongSecret).toMatchObject({ status: 401, outcome: 'wrong_signature' })
    expect(await shared.ask(bearer(createToken()))).toMatchObject({
      status: 401,
      outcome: 'algorithm_not_allowed',
    })
  })
})

describe('Where the token is', () => {
  const token = createToken()

  it.each<[string, [string, string]]>([
    ['bearer', ['authorization', `bearer ${token}`]],
    ['cookie:__session', ['cookie', `theme=dark; __session=${token}`]],
    ['header:Cf-Access-Jwt-Assertion', ['cf-access-jwt-assertion', token]],
  ])('is said by %s', async (source, header) => {
    const placed = await open({ source: [source] })
    expect(await placed.ask([header])).toMatchObject({ status: 200 })
    expect(await placed.ask([['x-elsewhere', token]])).toMatchObject({ status: 401, code: 'session_missing' })
  })

  it.each<[string, string]>([
    ['behind the word Bearer', `"Bearer ${token}"`],
    ['behind the word Bearer, unquoted', `bearer ${token}`],
    ['in quotes', `"${token}"`],
    ['percent-encoded', encodeURIComponent(`"Bearer ${token}"`)],
    ['with its dots percent-encoded', token.replaceAll('.', '%2E')],
  ])('may hold it %s', async (_name, value) => {
    const placed = await open({ source: ['cookie:access_token'] })
    expect(await placed.ask([['cookie', `theme=dark; access_token=${value}`]])).toMatchObject({ status: 200 })
  })

  it('is the first place of the list that has one', async () => {
    const placed = await open({ source: ['cookie:jwt', 'bearer'] })
    const verdict = await placed.ask([...bearer(token), ['Cookie', 'jwt=garbage']])
    expect(verdict).toMatchObject({ status: 401, outcome: 'malformed' })
  })
})

it('a thousand interleaved requests of fifty users each get their own email', async () => {
  const tokens = new Map<string, string>()
  const mixups = await findMixups(door, (email) => {
    const token =
      tokens.get(email) ?? createToken({ header: { alg: 'EdDSA' }, claims: { email, sub: email } })
    tokens.set(email, token)
    return bearer(token)
  })
  expect(mixups).toEqual([])
})

it('the same token is verified again for another issuer', async () => {
  const two = await openDoor([
    createVerifier({ source: ['header:x-first'] }),
    createVerifier({ source: ['header:x-second'], issuer: 'https://other.example.com/' }),
  ])
  const token = createToken()
  expect(await two.ask([['x-first', token]])).toMatchObject({ status: 200 })
  expect(await two.ask([['x-second', token]])).toMatchObject({ status: 401, outcome: 'claim_iss' })
})
