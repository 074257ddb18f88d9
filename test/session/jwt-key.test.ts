import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createHttpClient } from '../../src/outbound/client.ts'
import { createJwtVerifier, type JwtVerifierOptions } from '../../src/session/jwt.ts'
import { findPublicKeyFault } from '../../src/session/jwt-key.ts'
import { keys, secret } from '../peers/token.ts'

const toPem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString()
const pem = toPem(keys.RS256.publicKey)
const privatePem = keys.RS256.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const shortPem = toPem(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey)
const oddCurvePem = toPem(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey)
const exchangePem = toPem(generateKeyPairSync('x25519').publicKey)
const usual = ['RS256', 'ES256', 'EdDSA']

describe('A PEM', () => {
  it.each<[string, string, string[]]>([
    ['an RSA key', pem, usual],
    [
      'an RSA key in the older form',
      keys.RS256.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
      usual,
    ],
    ['an RSA key for PS512', pem, ['PS512']],
    ['a P-256 key', toPem(keys.ES256.publicKey), usual],
    ['an Ed25519 key', toPem(keys.EdDSA.publicKey), usual],
  ])('of %s is accepted', (_name, text, algorithms) => {
    expect(findPublicKeyFault(text, algorithms)).toBeUndefined()
  })

  it.each<[string, string, string[], RegExp]>([
    ['is no PEM', 'AAAA', usual, /must be a PEM/],
    ['is cut short', pem.slice(0, 200), usual, /must be a PEM/],
    ['holds a private key', privatePem, usual, /private key/],
    ['has 1024 bits', shortPem, usual, /2048 bits/],
    ['fits no algorithm of the list', pem, ['ES256', 'EdDSA'], /fits none/],
    ['is of another curve', toPem(keys.ES256.publicKey), ['ES384'], /fits none/],
    ['is of a curve without algorithm', oddCurvePem, usual, /fits none/],
    ['is for key exchange', exchangePem, usual, /fits none/],
  ])('that %s is refused at start, by a text that does not quote it', (_name, text, algorithms, fault) => {
    expect(findPublicKeyFault(text, algorithms)).toMatch(fault)
    expect(findPublicKeyFault(text, algorithms)).not.toContain(text.slice(30, 60) || text)
    expect(() => create({ key: { publicKeys: [text] }, algorithms })).toThrow(fault)
  })
})

describe('An allow-list of algorithms', () => {
  const jwks = { jwksUrl: new URL('https://id.example.com/jwks') }

  it.each<[string, string[], JwtVerifierOptions['key']]>([
    ['is empty', [], jwks],
    ['holds none', ['RS256', 'none'], jwks],
    ['holds a name that nobody knows', ['RS265'], jwks],
    ['mixes HS256 with a key set', ['RS256', 'HS256'], jwks],
    ['mixes HS256 with a PEM', ['RS256', 'HS256'], { publicKeys: [pem] }],
    ['mixes RS256 with a secret', ['HS256', 'RS256'], { secrets: [secret] }],
  ])('that %s is refused at start', (_name, algorithms, key) => {
    expect(() => create({ algorithms, key })).toThrow(/algorithms of jwt sessions must be of/)
  })
})

it('a secret of 31 bytes is refused at start, and one of 32 bytes is not', () => {
  const algorithms = ['HS256']
  expect(() => create({ key: { secrets: ['x'.repeat(31)] }, algorithms })).toThrow(/32 bytes/)
  expect(() => create({ key: { secrets: ['x'.repeat(32)] }, algorithms })).not.toThrow()
})

it('the id of a verifier differs for two secrets and contains neither', () => {
  const [one, two] = [secret, `${secret}.`].map(
    (each) => create({ key: { secrets: [each] }, algorithms: ['HS256'] }).id,
  )
  expect(one).not.toBe(two)
  expect(one).not.toContain(secret)
})

function create(changes: Pick<JwtVerifierOptions, 'key' | 'algorithms'>) {
  const client = createHttpClient({ maxConnections: 1, connectTimeoutMs: 1000 })
  return createJwtVerifier({ client, source: ['bearer'], timeoutMs: 1000, rememberMs: 0, ...changes })
}
