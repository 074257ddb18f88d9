import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Claims } from '../../src/session/claims.ts'
import { createIdentify, requireEmail, type IdentityPolicy } from '../../src/session/identity.ts'
import { isPlainEmail } from '../../src/session/email.ts'

const usual: IdentityPolicy = {
  emailClaims: ['email'],
  subjectClaims: ['sub'],
  emailDomains: new Set(),
  subjectKey: 'a-key-for-subjects',
}

const ann = { sub: 'user-1', email: 'ann@example.com' }

function identify(
  claims: Claims,
  policy: Partial<IdentityPolicy> = {},
  issuer?: string,
  credential = 'hash',
) {
  const session = createIdentify({ ...usual, ...policy })({ claims, issuer }, 'jwt', credential)
  return { ...session, email: requireEmail(session) }
}

const code = (value: string) => expect.objectContaining({ code: value })

describe('An email', () => {
  it.each([
    'a@b',
    'Ann.Lee+widgets@Example.COM',
    "o'hara_&co@sub.example.co.uk",
    'x@xn--bcher-kva.example',
    `${'a'.repeat(242)}@example.com`,
  ])('is used unchanged: %s', (email) => {
    expect(identify({ ...ann, email }).email).toBe(email)
  })

  it.each<[string, unknown]>([
    ['missing', undefined],
    ['null', null],
    ['empty', ''],
    ['a number', 7],
    ['an object', { toString: () => 'ann@example.com' }],
    ['a list of one', ['ann@example.com']],
    ['without an at-sign', 'ann.example.com'],
    ['without a name', '@example.com'],
    ['without a domain', 'ann@'],
    ['of two at-signs', 'ann@evil.example@example.com'],
    ['of two addresses', 'ann@example.com, bob@example.com'],
    ['of two addresses by semicolon', 'ann@example.com;bob@example.com'],
    ['followed by another header', 'ann@example.com\r\nx-admin: 1'],
    ['ended by a line feed', 'ann@example.com\n'],
    ['led by a space', ' ann@example.com'],
    ['ended by a space', 'ann@example.com '],
    ['holding a tab', 'an\tn@example.com'],
    ['holding a null byte', 'ann\0@example.com'],
    ['quoted', '"ann lee"@example.com'],
    ['in angle brackets', 'Ann <ann@example.com>'],
    ['commented', 'ann(work)@example.com'],
    ['of Latin letters beyond ASCII', 'jos\u00e9@example.com'],
    ['of Cyrillic letters that look Latin', '\u0430nn@example.com'],
    ['of a full-width at-sign', 'ann\uff20example.com'],
    ['of a zero-width space', 'ann\u200b@example.com'],
    ['of a right-to-left override', 'ann\u202e@example.com'],
    ['at an unencoded foreign domain', 'ann@b\u00fccher.example'],
    ['at an address literal', 'ann@[127.0.0.1]'],
    ['at a domain with an empty label', 'ann@example..com'],
    ['at a domain that ends in a dot', 'ann@example.com.'],
    ['at a domain label that begins with a hyphen', 'ann@-example.com'],
    ['of 255 characters', `${'a'.repeat(243)}@example.com`],
  ])('is refused, not repaired, when it is %s', (_name, email) => {
    expect(() => identify({ ...ann, email })).toThrow(code('identity_unusable'))
  })

  it.each<[string, Claims]>([
    ['email_missing', { sub: 'user-1' }],
    ['email_missing', { ...ann, email: null }],
    ['email_not_plain', { ...ann, email: '' }],
    ['email_not_plain', { ...ann, email: 'Ann <ann@example.com>' }],
    ['email_not_plain', { ...ann, email: { address: 'ann@example.com' } }],
    ['email_not_plain', { ...ann, email: 'ann@evil@example.com' }],
    ['email_not_ascii', { ...ann, email: 'jos\u00e9@example.com' }],
    ['email_not_ascii', { ...ann, email: 'ann@b\u00fccher.example' }],
    ['email_list', { ...ann, email: ['ann@example.com'] }],
    ['email_list', { ...ann, email: [] }],
    ['email_list', { ...ann, email: 'ann@example.com, bob@example.com' }],
    ['email_list', { ...ann, email: 'ann@example.com;bob@example.com' }],
  ])('that is refused leaves the reason %s in the log', (outcome, claims) => {
    expect(() => identify(claims)).toThrow(expect.objectContaining({ diagnosis: { outcome } }))
  })

  it('is one plain address or is refused, whatever it contains', () => {
    const odd = fc.constantFrom('@', ',', ';', ' ', '\r\n', '<', '"', '\\', '\u00e9', '\uff20', '\ud83d')
    const inserted = fc.oneof(odd, fc.string({ unit: 'binary', maxLength: 3 }), fc.string({ maxLength: 3 }))
    fc.assert(
      fc.property(fc.nat(ann.email.length), inserted, (index, text) => {
        const email = ann.email.slice(0, index) + text + ann.email.slice(index)
        const plain = /^[\x21-\x7e]+$/.test(email) && !/[,;:<>"()[\]\\]/.test(email)
        expect(isPlainEmail(email) && !(plain && email.split('@').length === 2)).toBe(false)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('The place of the email', () => {
  it.each<[string, string, Claims]>([
    [
      'a claim named by a URL',
      'https://app.example.com/email',
      { 'https://app.example.com/email': ann.email },
    ],
    ['a dotted path', 'user.profile.email', { user: { profile: { email: ann.email } } }],
    [
      'a claim whose name holds a dot, before a path',
      'user.email',
      { 'user.email': ann.email, user: { email: 'x@y' } },
    ],
    ['a claim that a prototype has too', 'toString', { toString: ann.email }],
    ['an entry of a list (Azure AD B2C)', 'emails.0', { emails: [ann.email, 'x@y'] }],
    [
      'below an entry of a list (passport)',
      'emails.1.value',
      { emails: [{ value: 'x@y' }, { value: ann.email }] },
    ],
    ['below a list at the top (Azure Easy Auth)', '0.user_id', [{ user_id: ann.email }] as unknown as Claims],
  ])('is %s', (_name, emailClaim, claims) => {
    expect(identify(claims, { emailClaims: [emailClaim] }).email).toBe(ann.email)
  })

  it.each<[string, string, Claims]>([
    ['inherited', 'email', Object.create({ email: ann.email })],
    ['beyond a prototype', '__proto__.email', Object.create({ email: ann.email })],
    ['inside a string', 'email.length', { email: ann.email }],
    ['a list', 'emails', { emails: [ann.email] }],
    ['beyond the end of a list', 'emails.1', { emails: [ann.email] }],
    ['at an index that is no index', 'emails.00', { emails: [ann.email] }],
    ['a property of a list', 'emails.length', { emails: [ann.email] }],
    ['a header of an answer', 'header:Remote-Email', { 'header:Remote-Email': ann.email }],
    ['under null', 'user.email', { user: null }],
    ['the name of a method', 'constructor', {}],
  ])('is never %s', (_name, emailClaim, claims) => {
    expect(() => identify(claims, { emailClaims: [emailClaim] })).toThrow(code('identity_unusable'))
  })
})

describe('Several claims for the email', () => {
  const policy = { emailClaims: ['email', 'preferred_username', 'emails.0'] }

  it.each<[string, Claims]>([
    ['the first', { email: ann.email, preferred_username: 'x@y' }],
    ['the next after one that is absent', { preferred_username: ann.email, emails: ['x@y'] }],
    ['the next after one that is null', { email: null, emails: [ann.email] }],
  ])('give %s', (_name, claims) => {
    expect(identify(claims, policy).email).toBe(ann.email)
  })

  it.each(['', 'ann', 7, false, [], {}])('end at one that is %j: the next is not tried', (email) => {
    const claims = { email, preferred_username: ann.email }
    expect(() => identify(claims, policy)).toThrow(code('identity_unusable'))
  })

  it('give the user id in the same way', () => {
    const policy = { subjectClaims: ['oid', 'sub'] }
    const { subject } = identify({ email: ann.email, oid: 'user-1' }, policy)
    expect(identify(ann, policy).subject).toBe(subject)
    expect(identify({ ...ann, oid: 'user-2' }, policy).subject).not.toBe(subject)
  })
})

const said = (value: unknown, requireVerifiedEmail?: boolean) => () =>
  identify({ ...ann, email_verified: value }, { requireVerifiedEmail }).email

describe('email_verified', () => {
  const refused = code('email_unverified')
  it.each([true, 'true', undefined])('lets an email pass when it is %j', (value) => {
    expect(said(value)()).toBe(ann.email)
  })

  it.each([false, 'false', 'TRUE', 1, 0, '', null, {}])('refuses an email when it is %j', (value) => {
    expect(said(value)).toThrow(refused)
  })

  it.each([true, 'true'])('lets an email pass when it is required and is %j', (value) => {
    expect(said(value, true)()).toBe(ann.email)
  })

  it.each([undefined, false, 'false', null])('refuses an email when it is required and is %j', (value) => {
    expect(said(value, true)).toThrow(refused)
  })

  it.each([undefined, false, 'false', null])('is ignored if the policy says so (%j)', (value) => {
    expect(said(value, false)()).toBe(ann.email)
  })

  it('counts for the email beside it', () => {
    const policy = { emailClaims: ['user.email'] }
    const user = { email: ann.email, email_verified: false }
    expect(() => identify({ user, email_verified: true }, policy)).toThrow(refused)
    const verified = { email: ann.email, email_verified: true }
    expect(identify({ user: verified, email_verified: false }, policy).email).toBe(ann.email)
  })

  it('counts at the top level for a nested email, unless there is also one at the top level', () => {
    const policy = { emailClaims: ['user.email'] }
    const claims = { user: { email: ann.email }, email_verified: false }
    expect(() => identify(claims, policy)).toThrow(refused)
    expect(identify({ ...claims, email: 'x@y' }, policy).email).toBe(ann.email)
  })

  it('says nothing about a claim with another name', () => {
    const claims = { preferred_username: ann.email, email_verified: false }
    const policy = { emailClaims: ['email', 'preferred_username'] }
    expect(identify(claims, policy).email).toBe(ann.email)
    const strict = { ...policy, requireVerifiedEmail: true }
    expect(() => identify({ ...claims, email_verified: true }, strict)).toThrow(refused)
  })
})

describe('The allow-list of domains', () => {
  const policy = { emailDomains: new Set(['example.com', 'xn--bcher-kva.example']) }

  it.each(['ann@example.com', 'ANN@EXAMPLE.com', 'ann@XN--Bcher-Kva.example'])(
    'lets %s pass as it is',
    (email) => {
      expect(identify({ email }, policy).email).toBe(email)
    },
  )

  it.each(['ann@sub.example.com', 'ann@badexample.com', 'ann@example.com.evil.example', 'ann@example'])(
    'refuses %s',
    (email) => {
      expect(() => identify({ email }, policy)).toThrow(code('email_domain_not_allowed'))
    },
  )
})

describe('The subject', () => {
  const subject = (...parts: Parameters<typeof identify>) => identify(...parts).subject

  it('is the same for a user whatever the credential and the email, and shows neither id nor email', () => {
    const one = subject(ann, {}, 'https://id.example.com/', 'hash-1')
    expect(subject({ ...ann, email: 'new@example.com' }, {}, 'https://id.example.com/', 'hash-2')).toBe(one)
    expect(one).toMatch(/^[\w-]{22}$/)
  })

  it.each<[string, Parameters<typeof identify>]>([
    ['user', [{ ...ann, sub: 'user-2' }]],
    ['issuer', [ann, {}, 'https://id.example.com/']],
    ['key', [ann, { subjectKey: 'another-key' }]],
  ])('differs by %s', (_name, parts) => {
    expect(subject(...parts)).not.toBe(subject(ann))
  })

  it('is that of the email if there is no usable id', () => {
    const byEmail = subject({ email: ann.email })
    for (const sub of ['', null, {}, 1.5, ['user-1']]) expect(subject({ ...ann, sub })).toBe(byEmail)
  })

  it('of an email is never that of the same text as a user id', () => {
    expect(subject({ email: 'bob@example.com' })).not.toBe(subject({ ...ann, sub: 'bob@example.com' }))
  })

  it('accepts a whole number as an id', () => {
    expect(subject({ ...ann, sub: 7 })).toBe(subject({ ...ann, sub: '7' }))
  })
})
