import { describe, expect, test } from 'vitest'
import { createTrustedHeaderVerifier } from '../../src/session/trusted-header.ts'
import { findMixups } from '../peers/crowd.ts'
import { openDoor, type Door } from '../peers/door.ts'

const proof = 'a-proof-that-only-the-proxy-knows'
const email = ['X-Forwarded-Email', 'ada@example.com'] as const
const proven = ['X-Broker-Proof', proof] as const

interface Changes {
  header?: string
  peers?: readonly string[]
  emailClaim?: string
  host?: string
}

async function openHeaderDoor({ host, ...changes }: Changes = {}): Promise<Door> {
  const options = {
    header: 'X-Forwarded-Email',
    peers: ['127.0.0.0/8'],
    proofs: [proof],
    emailClaim: 'email',
    ...changes,
  }
  const verifier = createTrustedHeaderVerifier(options)
  return openDoor([verifier], { emailClaims: [options.emailClaim] }, host)
}

describe('A listed peer with the proof', () => {
  test.each(['email', 'user.email', 'https://app.example/email', '__proto__'])(
    'The header names the user, whatever the email claim is called (%s)',
    async (emailClaim) => {
      const door = await openHeaderDoor({ emailClaim })
      expect(await door.ask([email, proven])).toMatchObject({ status: 200, email: 'ada@example.com' })
    },
  )

  test('Header names are compared without case', async () => {
    const door = await openHeaderDoor()
    const verdict = await door.ask([
      ['x-forwarded-EMAIL', email[1]],
      ['X-BROKER-PROOF', proof],
    ])
    expect(verdict.email).toBe('ada@example.com')
  })

  test.each([
    ['', 'session_missing'],
    ['   ', 'session_missing'],
    ['ada@example.com, eve@example.com', 'identity_unusable'],
    ['ada', 'identity_unusable'],
    ['Ada <ada@example.com>', 'identity_unusable'],
    ['ad\u00e4@example.com', 'identity_unusable'],
    ['accounts.google.com:ada@example.com', 'identity_unusable'],
    [`${'a'.repeat(250)}@example.com`, 'identity_unusable'],
  ])('The value "%s" is refused (%s)', async (value, code) => {
    const door = await openHeaderDoor()
    expect(await door.ask([['X-Forwarded-Email', value], proven])).toMatchObject({ code })
  })

  test.each(['X_Forwarded_Email', 'X.Forwarded.Email', 'X-Forwarded_Email', 'X-Forwarded-Email-', 'Email'])(
    'The header %s is not the configured one and names nobody',
    async (name) => {
      const door = await openHeaderDoor()
      const forged = [name, 'eve@example.com'] as const
      expect(await door.ask([forged, proven])).toMatchObject({ code: 'session_missing' })
      expect(await door.ask([forged, email, proven])).toMatchObject({ email: 'ada@example.com' })
    },
  )

  test('A Connection header that names the email header does not change who the caller is', async () => {
    const door = await openHeaderDoor()
    const hop = ['Connection', 'close, X-Forwarded-Email'] as const
    expect(await door.ask([hop, proven])).toMatchObject({ status: 401, code: 'session_missing' })
  })

  test('Each of 1,000 mixed requests gets its own user', async () => {
    const door = await openHeaderDoor()
    expect(await findMixups(door, (own) => [['X-Forwarded-Email', own], proven])).toEqual([])
  })
})

describe('What is sent twice', () => {
  test.each([
    ['two emails', [email, ['X-Forwarded-Email', 'eve@example.com'], proven]],
    ['the same email twice', [email, email, proven]],
    ['an email and an empty line', [email, ['X-Forwarded-Email', ''], proven]],
    ['two proofs', [email, proven, ['X-Broker-Proof', 'a-guess']]],
    ['the same proof twice', [email, proven, proven]],
  ] as const)('A request with %s is refused as ambiguous', async (_, headers) => {
    const door = await openHeaderDoor()
    expect(await door.ask(headers)).toMatchObject({ status: 400, code: 'bad_request' })
  })
})

describe('The proof', () => {
  test.each([
    ['no proof', []],
    ['an empty proof', [['X-Broker-Proof', '']]],
    ['a wrong proof', [['X-Broker-Proof', 'b'.repeat(proof.length)]]],
    ['the beginning of the proof', [['X-Broker-Proof', proof.slice(0, -1)]]],
    ['the proof and more', [['X-Broker-Proof', `${proof}x`]]],
    ['the proof in capitals', [['X-Broker-Proof', proof.toUpperCase()]]],
    ['the proof under another name', [['X_Broker_Proof', proof]]],
  ] as const)('A listed peer with %s is refused', async (_, headers) => {
    const door = await openHeaderDoor()
    const verdict = await door.ask([email, ...headers])
    expect(verdict).toMatchObject({ status: 401, code: 'session_invalid', outcome: 'wrong_proof' })
  })

  test('The proof alone is no session', async () => {
    const door = await openHeaderDoor()
    expect(await door.ask([proven])).toMatchObject({ status: 401, code: 'session_missing' })
  })
})

describe('The peer', () => {
  test.each([[['10.0.0.0/8', '127.0.0.1']], [['127.0.0.1/32']], [['::1', '127.0.0.0/8']]])(
    'A peer within %j is listed',
    async (peers) => {
      const door = await openHeaderDoor({ peers })
      expect(await door.ask([email, proven])).toMatchObject({ status: 200 })
    },
  )

  test.each([[['10.0.0.0/8']], [['127.0.0.2']], [['::1']], [['fc00::/7', '128.0.0.0/8']], [[]]])(
    'A peer outside of %j is refused even with the proof, whatever address it claims',
    async (peers) => {
      const door = await openHeaderDoor({ peers })
      const claim = [
        ['X-Forwarded-For', '10.0.0.1'],
        ['X-Real-IP', '10.0.0.1'],
        ['Forwarded', 'for=10.0.0.1'],
      ] as const
      const verdict = await door.ask([email, proven, ...claim])
      expect(verdict).toMatchObject({ status: 401, code: 'session_invalid', outcome: 'untrusted_peer' })
    },
  )

  test('An IPv4 peer of a dual-stack listener is known by its IPv4 address', async () => {
    const door = await openHeaderDoor({ host: '::ffff:127.0.0.1', peers: ['127.0.0.0/8'] })
    expect(await door.ask([email, proven])).toMatchObject({ status: 200 })
  })

  test('A refusal by this mode is final, and no other mode is tried', async () => {
    const refusing = createTrustedHeaderVerifier({
      header: 'x-forwarded-email',
      peers: ['10.0.0.1'],
      proofs: [proof],
      emailClaim: 'email',
    })
    const granting = createTrustedHeaderVerifier({
      header: 'x-other-email',
      peers: ['127.0.0.1'],
      proofs: [proof],
      emailClaim: 'email',
    })
    const door = await openDoor([refusing, granting])
    const verdict = await door.ask([email, ['X-Other-Email', 'eve@example.com'], proven])
    expect(verdict).toMatchObject({ code: 'session_invalid', outcome: 'untrusted_peer' })
  })
})
