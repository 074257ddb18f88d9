import type { ServerResponse } from 'node:http'
import { generateKeyPairSync } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import { createJwks, type KeySet } from '../../src/session/jwks.ts'
import { createJwtVerifier } from '../../src/session/jwt.ts'
import { strangers } from '../peers/bad-token.ts'
import { useClient } from '../peers/client.ts'
import { openDoor, type Door } from '../peers/door.ts'
import { answerJson, startEndpoint, type Endpoint } from '../peers/endpoint.ts'
import { audience, bearer, createToken, issuer, keys, keySet, nowSeconds, toJwk } from '../peers/token.ts'

const client = useClient({ maxConnections: 8, connectTimeoutMs: 10_000 })
const successor = generateKeyPairSync('rsa', { modulusLength: 2048 })
/** Long enough for a busy machine; what hangs on purpose gets a short one. */
const patientMs = 10_000
const hastyMs = 200
let provider: Endpoint
let door: Door
let elapsedMs = 0

beforeEach(async () => {
  elapsedMs = 0
  provider = await startEndpoint(answerJson(keySet))
  door = await openWith(patientMs)
})

function openWith(timeoutMs: number): Promise<Door> {
  const key = { jwksUrl: new URL('/jwks?tenant=1', provider.origin) }
  const rules = { issuer, audiences: [audience], algorithms: ['RS256'] }
  return openDoor([
    createJwtVerifier({ client, source: ['bearer'], key, ...rules, timeoutMs, rememberMs: 0 }),
  ])
}

/** The same set behind a clock that the test moves. */
const createClocked = () =>
  createJwks({
    client,
    locate: async () => new URL(provider.origin),
    timeoutMs: patientMs,
    now: () => elapsedMs,
  })

async function holds({ value }: KeySet, kid: string): Promise<boolean> {
  try {
    await value.find({ alg: 'RS256', kid }, { payload: '', signature: '' })
    return true
  } catch {
    return false
  }
}

const header = (kid: string) => ({ alg: 'RS256', kid })

/** Asks with a token without kid, whose key comes behind so many that fit as well. */
async function askBehind(others: number) {
  const set = [...Array<object>(others).fill(toJwk(successor)), toJwk(keys.RS256)]
  provider.answer = answerJson({ keys: set })
  const fresh = await openWith(patientMs)
  const verdict = await fresh.ask(bearer(createToken({ header: { kid: undefined } })))
  await fresh.close()
  return verdict
}

const failing = (_request: unknown, response: ServerResponse) => void response.writeHead(500).end()
const setOf = (kid: string) => answerJson({ keys: [toJwk(successor, { kid })] })
const strange = (kid: string) => bearer(createToken({ header: { kid } }))

describe('A key set', () => {
  it('is fetched once for many first tokens, by a bare GET of its address', async () => {
    const verdicts = await Promise.all(Array.from({ length: 50 }, () => door.ask(bearer(createToken()))))
    expect(verdicts.every(({ status }) => status === 200)).toBe(true)
    const [{ method, url, headers } = { method: '', url: '', headers: {} }, ...others] = provider.received
    expect(others).toEqual([])
    expect([method, url]).toEqual(['GET', '/jwks?tenant=1'])
    expect(Object.keys(headers).sort()).toEqual([
      'accept',
      'accept-encoding',
      'connection',
      'host',
      'user-agent',
    ])
  })

  it('ignores keys of an unknown kind', async () => {
    const odd = [
      { kty: 'FUTURE', kid: 'RS256' },
      { kty: 'oct', kid: 'RS256', k: 'AAAA' },
    ]
    provider.answer = answerJson({ keys: [...odd, ...keySet.keys] })
    expect(await door.ask(bearer(createToken()))).toMatchObject({ status: 200 })
  })

  it.each<[string, Record<string, unknown>[]]>([
    ['lists a key twice', [toJwk(keys.RS256, { kid: 'RS256' }), toJwk(keys.RS256, { kid: 'RS256' })]],
    ['gives two keys one kid', [toJwk(successor, { kid: 'RS256' }), toJwk(keys.RS256, { kid: 'RS256' })]],
    [
      'has an unusable key of the same kid',
      [{ kty: 'RSA', kid: 'RS256', e: 'AQAB' }, toJwk(keys.RS256, { kid: 'RS256' })],
    ],
    [
      'has the key for encryption under the same kid',
      [toJwk(successor, { kid: 'RS256', use: 'enc' }), toJwk(keys.RS256, { kid: 'RS256' })],
    ],
  ])('verifies where it %s', async (_name, set) => {
    provider.answer = answerJson({ keys: set })
    expect(await door.ask(bearer(createToken()))).toMatchObject({ status: 200 })
    expect(await door.ask(bearer(createToken({ key: strangers.privateKey })))).toMatchObject({
      status: 401,
      outcome: 'wrong_signature',
    })
  })

  it('lets at most four keys be tried for a token that names none', async () => {
    expect(await askBehind(3)).toMatchObject({ status: 200 })
    expect(await askBehind(4)).toMatchObject({ status: 401, outcome: 'wrong_signature' })
  })

  it.each<[string, Record<string, unknown>]>([
    ['is too short', toJwk(generateKeyPairSync('rsa', { modulusLength: 1024 }), { kid: 'RS256' })],
    ['has no modulus', { kty: 'RSA', kid: 'RS256', e: 'AQAB' }],
  ])('does not make a session by a key that %s', async (_name, key) => {
    provider.answer = answerJson({ keys: [key] })
    expect(await door.ask(bearer(createToken()))).toMatchObject({ status: 401, outcome: 'unusable_key' })
  })

  it.each(['encryption', 'signing'])('does not verify by a key that is for %s alone', async (purpose) => {
    const changes = purpose === 'encryption' ? { use: 'enc' } : { key_ops: ['sign'] }
    provider.answer = answerJson({ keys: [toJwk(keys.RS256, { kid: 'RS256', ...changes })] })
    expect(await door.ask(bearer(createToken()))).toMatchObject({ status: 401, outcome: 'unknown_key' })
  })

  it('is fetched again after ten minutes, and a withdrawn key is then refused', async () => {
    const jwks = createClocked()
    expect(await holds(await jwks.current(), 'RS256')).toBe(true)
    provider.answer = setOf('next')
    elapsedMs = 10 * 60_000 - 1
    expect(await holds(await jwks.current(), 'RS256')).toBe(true)
    elapsedMs += 1
    expect(await holds(await jwks.current(), 'RS256')).toBe(false)
    expect(provider.received).toHaveLength(2)
  })
})

describe('A rotation', () => {
  it('is noticed with its first token, after one more fetch', async () => {
    await door.ask(bearer(createToken()))
    provider.answer = setOf('next')
    const rotated = bearer(createToken({ header: { kid: 'next' }, key: successor.privateKey }))
    expect(await door.ask(rotated)).toMatchObject({ status: 200, email: 'ann@example.com' })
    expect(await door.ask(rotated)).toMatchObject({ status: 200 })
    expect(await door.ask(bearer(createToken()))).toMatchObject({ status: 401, outcome: 'unknown_key' })
    // The third is for the old key: a key that was published may come back.
    expect(provider.received).toHaveLength(3)
  })

  it.each(['RS256', undefined])('is also noticed if the provider keeps the kid %s', async (kid) => {
    provider.answer = answerJson({ keys: [toJwk(keys.RS256, { kid })] })
    expect(await door.ask(bearer(createToken({ header: { kid } })))).toMatchObject({ status: 200 })
    provider.answer = answerJson({ keys: [toJwk(successor, { kid })] })
    const rotated = createToken({ header: { kid }, key: successor.privateKey })
    expect(await door.ask(bearer(rotated))).toMatchObject({ status: 200 })
  })
})

describe('An unknown key', () => {
  it('is refused once a set that was fetched for it lacks it, and then without a fetch', async () => {
    await door.ask(bearer(createToken()))
    for (let request = 0; request < 5; request += 1) {
      expect(await door.ask(strange('a'))).toMatchObject({ status: 401, outcome: 'unknown_key' })
    }
    expect(provider.received).toHaveLength(2)
  })

  it('is 503 with the seconds left, never 401, while the broker may not ask about it', async () => {
    for (const kid of ['a', 'b', 'c'])
      expect(await door.ask(strange(kid))).toMatchObject({ status: 401, outcome: 'unknown_key' })
    const undecided = await door.ask(strange('d'))
    expect(undecided).toMatchObject({ status: 503, outcome: 'key_not_known_yet' })
    expect(Number(undecided.retryAfter)).toBeGreaterThan(5)
    expect(Number(undecided.retryAfter)).toBeLessThanOrEqual(10)
    expect(await door.ask(strange('a'))).toMatchObject({ status: 401, outcome: 'unknown_key' })
    expect(await door.ask(bearer(createToken()))).toMatchObject({ status: 200 })
  })

  it('of four hundred tokens costs the provider three fetches', async () => {
    await door.ask(bearer(createToken()))
    for (const round of ['a', 'b']) {
      const asked = Array.from({ length: 200 }, (_, index) => door.ask(strange(`${round}${index}`)))
      for (const { outcome } of await Promise.all(asked))
        expect(outcome).toMatch(/^(unknown_key|key_not_known_yet)$/)
    }
    expect(provider.received).toHaveLength(4)
  })

  it('may be asked about once more every ten seconds, which settles every key that was seen before', async () => {
    const jwks = createClocked()
    let set = await jwks.current()
    for (const kid of ['a', 'b', 'c']) set = (await jwks.lookFor(header(kid), set))!
    for (const kid of ['next', 'nobody'])
      await expect(jwks.lookFor(header(kid), set)).rejects.toMatchObject({ status: 503 })
    provider.answer = setOf('next')
    elapsedMs = 9_999
    await expect(jwks.lookFor(header('next'), set)).rejects.toMatchObject({
      headers: { 'retry-after': '1' },
    })
    elapsedMs = 10_000
    const newer = (await jwks.lookFor(header('next'), set))!
    expect(await holds(newer, 'next')).toBe(true)
    expect(await jwks.lookFor(header('nobody'), newer)).toBeUndefined()
    expect(provider.received).toHaveLength(5)
  })

  it('is asked about again ten minutes after it was first seen', async () => {
    const jwks = createClocked()
    const first = await jwks.current()
    const second = (await jwks.lookFor(header('a'), first))!
    elapsedMs = 10 * 60_000 - 1
    expect(await jwks.lookFor(header('a'), second)).toBeUndefined()
    elapsedMs += 1
    const refreshed = await jwks.current()
    expect(await jwks.lookFor(header('a'), refreshed)).toBeDefined()
    expect(provider.received).toHaveLength(4)
  })

  it.each<[string, { header?: object; claims?: Record<string, unknown> }, string]>([
    ['is expired', { claims: { exp: nowSeconds() - 61 } }, 'expired'],
    ['is of another issuer', { claims: { iss: 'https://other.example.com/' } }, 'claim_iss'],
    ['is for another audience', { claims: { aud: 'other' } }, 'claim_aud'],
    ['names a published key of another kind', { header: { kid: 'ES256' } }, 'unknown_key'],
    ['names its key by a number', { header: { kid: 7 } }, 'unknown_key'],
  ])('of a token that %s costs no fetch', async (_name, { header: changes, claims }, outcome) => {
    await door.ask(bearer(createToken()))
    const token = createToken({ header: { kid: 'next', ...changes }, claims })
    expect(await door.ask(bearer(token))).toMatchObject({ status: 401, outcome })
    expect(provider.received).toHaveLength(1)
  })
})

describe('A wrong signature', () => {
  it('causes one fetch in thirty seconds', async () => {
    const jwks = createClocked()
    const first = await jwks.current()
    const second = await jwks.newerThan(first)
    expect(second).toBeDefined()
    elapsedMs = 29_999
    expect(await jwks.newerThan(second!)).toBeUndefined()
    expect(await jwks.newerThan(first)).toBe(second)
    elapsedMs = 30_000
    provider.answer = setOf('next')
    expect(await holds((await jwks.newerThan(second!))!, 'next')).toBe(true)
    expect(provider.received).toHaveLength(3)
  })
})

const discovery = { issuer, jwks_uri: `${issuer}jwks`, response_types_supported: ['code'] }
const certificates = { '1a2b': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' }

const elsewhere = (_request: unknown, response: ServerResponse) =>
  void response.writeHead(302, { Location: `${provider.origin}/other` }).end(JSON.stringify(keySet))

type Fault = [string, Endpoint['answer'], string]
const faults: Fault[] = [
  ['answers 500', failing, 'answer_status_500'],
  ['redirects', elsewhere, 'answer_status_302'],
  [
    'answers without content',
    (_request, response) => void response.writeHead(204).end(),
    'answer_status_204',
  ],
  ['shows an error page', (_request, response) => void response.end('<html></html>'), 'answer_not_json'],
  ['cuts its answer short', (_request, response) => void response.end('{"keys":['), 'answer_not_json'],
  ['sends an object without keys', answerJson({}), 'answer_not_a_key_set'],
  ['sends a list', answerJson([]), 'answer_not_a_key_set'],
  ['sends its discovery document', answerJson(discovery), 'answer_discovery_document'],
  ['sends certificates by name, as Firebase does', answerJson(certificates), 'answer_certificate_map'],
  ['sends keys that are none', answerJson({ keys: ['RS256'] }), 'answer_not_a_key_set'],
  ['sends too much', answerJson({ ...keySet, padding: 'x'.repeat(5_000_000) }), 'body_too_large'],
  ['never answers', () => undefined, 'timeout'],
  ['drips', (_request, response) => void response.write('{'), 'timeout'],
  ['hangs up', (_request, response) => void response.destroy(), 'reset'],
]

describe('An outage of the provider', () => {
  it.each(faults)('is 503, never 401, when it %s', async (_name, answer, outcome) => {
    provider.answer = answer
    const waiting = await openWith(outcome === 'timeout' ? hastyMs : patientMs)
    const verdict = await waiting.ask(bearer(createToken()))
    await waiting.close()
    expect(verdict).toMatchObject({
      status: 503,
      code: 'session_source_unavailable',
      outcome,
      retryAfter: '5',
    })
    expect(provider.received.some(({ url }) => url === '/other')).toBe(false)
  })

  it('is 503 if nothing listens', async () => {
    await provider.close()
    expect(await door.ask(bearer(createToken()))).toMatchObject({ status: 503, outcome: 'connect_refused' })
  })

  it('does not follow from one reset connection', async () => {
    provider.answer = (request, response) => {
      if (provider.received.length === 1) response.destroy()
      else answerJson(keySet)(request, response)
    }
    expect(await door.ask(bearer(createToken()))).toMatchObject({ status: 200 })
  })

  it('costs the provider one fetch for a hundred requests', async () => {
    provider.answer = failing
    for (let request = 0; request < 100; request += 1) {
      expect(await door.ask(bearer(createToken()))).toMatchObject({ status: 503 })
    }
    expect(provider.received).toHaveLength(1)
  })

  it('ends for callers with the first fetch after the pause of five seconds', async () => {
    const jwks = createClocked()
    provider.answer = failing
    await expect(jwks.current()).rejects.toMatchObject({ code: 'session_source_unavailable' })
    provider.answer = answerJson(keySet)
    elapsedMs = 4_999
    await expect(jwks.current()).rejects.toMatchObject({ code: 'session_source_unavailable' })
    elapsedMs = 5_000
    expect(await holds(await jwks.current(), 'RS256')).toBe(true)
  })

  it('does not affect tokens whose key is cached, for at most an hour', async () => {
    const jwks = createClocked()
    await jwks.current()
    provider.answer = failing
    for (elapsedMs = 0; elapsedMs < 60 * 60_000; elapsedMs += 10_000) {
      expect(await holds(await jwks.current(), 'RS256')).toBe(true)
    }
    // Asked once every thirty seconds of the fifty minutes for which it fails.
    expect(provider.received).toHaveLength(1 + 100)
    await expect(jwks.current()).rejects.toMatchObject({ code: 'session_source_unavailable' })
  })

  it('makes an unknown key a 503, but neither a forged nor a valid token', async () => {
    await door.ask(bearer(createToken()))
    provider.answer = failing
    const unknown = await door.ask(strange('next'))
    expect(unknown).toMatchObject({ status: 503, code: 'session_source_unavailable' })
    expect(await door.ask(strange('next'))).toMatchObject({ status: 503 })
    const forged = await door.ask(bearer(createToken({ key: successor.privateKey })))
    expect(forged).toMatchObject({ status: 401, outcome: 'wrong_signature' })
    expect(await door.ask(bearer(createToken()))).toMatchObject({ status: 200 })
    expect(provider.received).toHaveLength(2)
  })

  it('does not affect a token that could never be valid, which is refused without a fetch', async () => {
    provider.answer = failing
    for (const token of [
      'garbage',
      createToken({ hmac: 'secret' }),
      createToken({ header: { alg: 'ES256' } }),
    ]) {
      expect(await door.ask(bearer(token))).toMatchObject({ status: 401, code: 'session_invalid' })
    }
    expect(provider.received).toEqual([])
  })
})
