import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createHttpClient } from '../../src/http/client.ts'
import { createJwtVerifier, type JwtVerifierOptions } from '../../src/session/jwt.ts'
import { findMixups } from './fixtures/crowd.ts'
import { openDoor, type Door } from './fixtures/door.ts'
import { answerJson, startEndpoint, type Endpoint } from './fixtures/endpoint.ts'
import {
  audience,
  bearer,
  createToken,
  encode,
  issuer,
  keys,
  keySet,
  nowSeconds,
  secret,
  toJwk,
} from './fixtures/token.ts'

const client = createHttpClient({ maxConnections: 8, connectTimeoutMs: 1000 })
let provider: Endpoint
let door: Door

function createVerifier(changes: Partial<JwtVerifierOptions> = {}) {
  return createJwtVerifier({
    client,
    source: ['bearer'],
    key: { jwksUrl: new URL('/jwks', provider.origin) },
    issuer,
    audience,
    algorithms: ['RS256', 'ES256', 'EdDSA'],
    timeoutMs: 2000,
    rememberMs: 30_000,
    ...changes,
  })
}

/** Opens a door of its own for one test; afterAll closes it. */
const doors: Door[] = []
async function open(changes: Partial<JwtVerifierOptions>, policy = {}): Promise<Door> {
  const opened = await openDoor([createVerifier(changes)], policy)
  doors.push(opened)
  return opened
}

beforeAll(async () => {
  provider = await startEndpoint(answerJson(keySet))
  door = await open({})
})

afterAll(async () => {
  await Promise.all(doors.map((opened) => opened.close()))
  await provider.close()
  await client.close()
})

const pem = keys.RS256.publicKey.export({ type: 'spki', format: 'pem' }).toString()
const strangers = generateKeyPairSync('rsa', { modulusLength: 2048 })
const inSeconds = (seconds: number) => nowSeconds() + seconds

describe('a good token', () => {
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
    ['is for us among others', { claims: { aud: ['https://other.example.com', audience] } }],
    ['repeats its email claim: the last one counts', { payload: repeatedEmail() }],
    ['names no key where one alone fits', { header: { kid: undefined } }],
    ['is an access token by RFC 9068', { header: { typ: 'at+jwt' } }],
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

/** The same signature with its last character's spare bit set: the decoders of base64url do not see the difference. */
function respell(token: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return token.slice(0, -1) + alphabet[alphabet.indexOf(token.at(-1)!) + 1]
}

function flipBit(token: string): string {
  const [header, payload, signature] = token.split('.')
  const bytes = Buffer.from(signature!, 'base64url')
  bytes[bytes.length - 1]! ^= 1
  return `${header}.${payload}.${encode(bytes)}`
}

const unsigned = (header: object) =>
  createToken().replace(
    /^[^.]+(\..+\.).+$/,
    (_all, payload: string) => encode(JSON.stringify(header)) + payload,
  )

const badTokens: [string, string | (() => string), string][] = [
  ['J1 is expired', createToken({ claims: { exp: inSeconds(-61) } }), 'expired'],
  ['J1 is not valid yet', createToken({ claims: { nbf: inSeconds(120) } }), 'claim_nbf'],
  ['J1 has a string for exp', createToken({ claims: { exp: String(inSeconds(300)) } }), 'claim_exp'],
  ['J1 has a number beyond all for exp', createToken({ payload: endless() }), 'claim_exp'],
  ['J2 has no exp', createToken({ claims: { exp: undefined } }), 'claim_exp'],
  ['J3 was issued in an hour', createToken({ claims: { iat: inSeconds(3600) } }), 'claim_iat'],
  ['J3 has a string for iat', createToken({ claims: { iat: 'now' } }), 'claim_iat'],
  ['J4 has algorithm none', unsigned({ alg: 'none' }), 'malformed'],
  ['J4 has algorithm none and a signature', `${unsigned({ alg: 'none' })}AAAA`, 'algorithm_not_allowed'],
  ['J4 has algorithm NoNe', `${unsigned({ alg: 'NoNe' })}AAAA`, 'algorithm_not_allowed'],
  ['J4 has no algorithm', `${unsigned({ kid: 'RS256' })}AAAA`, 'malformed'],
  ['J4 has an empty signature', unsigned({ alg: 'RS256', kid: 'RS256' }), 'malformed'],
  ['J5 is an HMAC by the public PEM', createToken({ hmac: pem }), 'algorithm_not_allowed'],
  [
    'J5 is an HMAC by the JWK',
    createToken({ hmac: JSON.stringify(keySet.keys[0]) }),
    'algorithm_not_allowed',
  ],
  ['J5 is an HMAC by the modulus', createToken({ hmac: String(keySet.keys[0]!.n) }), 'algorithm_not_allowed'],
  ['J6 names a key of another algorithm', createToken({ header: { kid: 'ES256' } }), 'unknown_key'],
  ['J7 is of another issuer', createToken({ claims: { iss: 'https://id.example.com' } }), 'claim_iss'],
  ['J7 has a list of issuers', createToken({ claims: { iss: [issuer] } }), 'claim_iss'],
  ['J7 has no issuer', createToken({ claims: { iss: undefined } }), 'claim_iss'],
  ['J8 is for another audience', createToken({ claims: { aud: `${audience}/` } }), 'claim_aud'],
  ['J8 has no audience', createToken({ claims: { aud: undefined } }), 'claim_aud'],
  ['J8 is for a list without us', createToken({ claims: { aud: ['a', 'b'] } }), 'claim_aud'],
  ['J10 names an unknown key', createToken({ header: { kid: 'nobody' } }), 'unknown_key'],
  ['J10 names a path as its key', createToken({ header: { kid: '../../etc/passwd' } }), 'unknown_key'],
  ['J10 names a long key', createToken({ header: { kid: 'k'.repeat(3000) } }), 'unknown_key'],
  ['J10 names a number as its key', createToken({ header: { kid: 7 } }), 'unknown_key'],
  ['J10 is longer than any token', createToken({ header: { kid: 'k'.repeat(9000) } }), 'credential_too_long'],
  ['J13 has a critical extension', createToken({ header: { crit: ['x'], x: 1 } }), 'malformed'],
  ['J13 has an unencoded payload', createToken({ header: { crit: ['b64'], b64: false } }), 'malformed'],
  ['J14 holds a list', createToken({ payload: '[]' }), 'malformed'],
  ['J14 holds a string', createToken({ payload: '"ann@example.com"' }), 'malformed'],
  ['J14 holds null', createToken({ payload: 'null' }), 'malformed'],
  ['J14 holds no JSON', createToken({ payload: '{"exp":' }), 'malformed'],
  ['J14 holds invalid UTF-8', createToken({ payload: Buffer.from('{"sub":"\xff"}', 'latin1') }), 'malformed'],
  ['J18 has five parts', `${createToken()}.AAAA.AAAA`, 'malformed'],
  ['J18 has two parts', createToken().replace(/\.[^.]+$/, ''), 'malformed'],
  ['J18 is garbage', 'garbage', 'malformed'],
  ['J18 has padding', `${createToken()}==`, 'malformed'],
  ['J18 has a flipped bit', flipBit(createToken()), 'wrong_signature'],
  ['J18 spells its signature another way', respell(createToken()), 'malformed'],
  ['is signed by a stranger', createToken({ key: strangers.privateKey }), 'wrong_signature'],
]

function endless(): string {
  return JSON.stringify({ iss: issuer, aud: audience, email: 'ann@example.com' }).replace(
    '}',
    ',"exp":1e999}',
  )
}

describe('a spoiled token', () => {
  it.each(badTokens)('is refused that %s', async (_name, token, outcome) => {
    const verdict = await door.ask(bearer(token as string))
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

  it('J12 never chooses where its key comes from', async () => {
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
      const verdict = await door.ask(bearer(createToken({ header, key: strangers.privateKey })))
      expect(verdict).toMatchObject({ status: 401, code: 'session_invalid' })
    }
    expect(lure.received).toEqual([])
    await lure.close()
  })

  it('J11 is refused without a kid where two keys fit', async () => {
    const twoKeys = [toJwk(keys.RS256, { kid: 'a' }), toJwk(strangers, { kid: 'b' })]
    const two = await startEndpoint(answerJson({ keys: twoKeys }))
    const ambiguous = await open({ key: { jwksUrl: new URL(two.origin) } })
    const verdict = await ambiguous.ask(bearer(createToken({ header: { kid: undefined } })))
    expect(verdict).toMatchObject({ status: 401, outcome: 'ambiguous_key' })
    await two.close()
  })

  it('J6 is refused in an algorithm that is not on the list, though a key of the set fits', async () => {
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
  ])('J16 is refused with 403 when its email is %s', async (_name, email) => {
    const verdict = await door.ask(bearer(createToken({ claims: { email } })))
    expect(verdict).toMatchObject({ status: 403, code: 'identity_unusable' })
  })

  it('J17 is refused with 403 when its email is unverified and the policy asks for it', async () => {
    const strict = await open({}, { requireVerifiedEmail: true })
    const ask = (email_verified: unknown) => strict.ask(bearer(createToken({ claims: { email_verified } })))
    for (const value of [false, 'true', 1, undefined]) {
      expect(await ask(value)).toMatchObject({ status: 403, code: 'email_unverified' })
    }
    expect(await ask(true)).toMatchObject({ status: 200 })
  })

  it('never becomes a session, whatever part of a good one is replaced', async () => {
    const parts = createToken().split('.')
    const verifier = createVerifier({ key: { publicKey: pem } })
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

describe('the authorized party', () => {
  const azp = 'https://app.example.com'

  it('stands in for an audience, exactly', async () => {
    const clerk = await open({ audience: undefined, authorizedParty: azp })
    const ask = (claims: object) => clerk.ask(bearer(createToken({ claims: { aud: undefined, ...claims } })))
    expect(await ask({ azp })).toMatchObject({ status: 200 })
    for (const wrong of [`${azp}/`, [azp], undefined]) {
      expect(await ask({ azp: wrong })).toMatchObject({ status: 401, outcome: 'claim_azp' })
    }
  })

  it('is asked for beside an audience, not instead of it, where both are configured', async () => {
    const both = await open({ authorizedParty: azp })
    expect(await both.ask(bearer(createToken()))).toMatchObject({ status: 401, outcome: 'claim_azp' })
    const foreign = createToken({ claims: { azp, aud: 'other' } })
    expect(await both.ask(bearer(foreign))).toMatchObject({ status: 401, outcome: 'claim_aud' })
  })
})

describe('a fixed key', () => {
  it('as PEM verifies without asking anybody', async () => {
    const fixed = await open({ key: { publicKey: pem } })
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
    const fixed = await open({ key: { publicKey } })
    expect(await fixed.ask(bearer(createToken({ header: { alg } })))).toMatchObject({ status: 200 })
  })

  it('as a secret serves HS256 alone', async () => {
    const shared = await open({
      key: { secret },
      algorithms: ['HS256'],
      issuer: undefined,
      audience: undefined,
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

describe('where the token is', () => {
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

it('the same token is verified anew for another issuer', async () => {
  const two = await openDoor([
    createVerifier({ source: ['header:x-first'] }),
    createVerifier({ source: ['header:x-second'], issuer: 'https://other.example.com/' }),
  ])
  doors.push(two)
  const token = createToken()
  expect(await two.ask([['x-first', token]])).toMatchObject({ status: 200 })
  expect(await two.ask([['x-second', token]])).toMatchObject({ status: 401, outcome: 'claim_iss' })
})
