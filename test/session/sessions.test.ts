import { EventEmitter, once } from 'node:events'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Problem } from '../../src/problems.ts'
import { createSessions } from '../../src/session/sessions.ts'
import type { SessionVerifier } from '../../src/session/verifier.ts'
import { sessionInvalid, sourceUnavailable } from '../../src/session/credential.ts'
import type { VerifiedClaims } from '../../src/session/claims.ts'
import { createIdentify, requireEmail, type Session } from '../../src/session/identity.ts'

const identify = createIdentify({
  emailClaims: ['email'],
  subjectClaims: ['sub'],
  emailDomains: new Set(),
  subjectKey: 'a-key-for-subjects',
})

const stay = { signal: new AbortController().signal, require: requireEmail }
const emailOf = async (asked: Promise<Session>) => requireEmail(await asked)

function requestWith(headers: Record<string, string>): IncomingMessage {
  const request = new IncomingMessage(new Socket())
  Object.assign(request.headers, headers)
  return request
}

const withCredential = (credential: string) => requestWith({ 'x-session': credential })

interface ScriptedVerifier extends SessionVerifier {
  asked: string[]
}

/** A mode that identifies users by the header `x-session`, and records its requests. */
function createVerifier(changes: Partial<SessionVerifier> = {}): ScriptedVerifier {
  const asked: string[] = []
  return {
    mode: 'scripted',
    id: 'one',
    rememberMs: 30_000,
    remote: true,
    cookies: [],
    readCredential: readFrom('x-session'),
    ...changes,
    asked,
    async verify(credential, signal): Promise<VerifiedClaims> {
      asked.push(credential)
      return changes.verify?.(credential, signal) ?? { claims: { email: `${credential}@example.com` } }
    },
  }
}

const readFrom = (name: string) => (request: IncomingMessage) => request.headers[name] as string | undefined

const createOther = () => createVerifier({ id: 'two', readCredential: readFrom('x-other') })

/** How often the verifier has been asked after requests at these times. */
async function askAt(verifier: ScriptedVerifier, timesMs: readonly number[]): Promise<number[]> {
  const sessions = createSessions([verifier], identify)
  const start = performance.now()
  const counts: number[] = []
  for (const timeMs of timesMs) {
    vi.advanceTimersByTime(start + timeMs - performance.now())
    await sessions.verify(withCredential('ann'), stay).catch(() => undefined)
    counts.push(verifier.asked.length)
  }
  return counts
}

/** A mode that answers when the test says so. */
function createSlow() {
  const source = new EventEmitter()
  const signals: AbortSignal[] = []
  const verifier = createVerifier({
    async verify(_credential, signal) {
      signals.push(signal)
      await once(source, 'answer')
      return { claims: { email: 'ann@example.com' } }
    },
  })
  return { verifier, signals, answer: () => source.emit('answer') }
}

const refusing = () => Promise.reject(sessionInvalid('expired'))
const hanging = () => new Promise<VerifiedClaims>(() => undefined)
const limited = () => new Problem('rate_limited')
const failing = () => Promise.reject(sourceUnavailable('timeout'))

describe('The chain of modes', () => {
  it('asks the first mode whose credential is present, and no other', async () => {
    const [first, second, third] = [createOther(), createVerifier(), createVerifier({ id: 'three' })]
    const sessions = createSessions([first, second, third], identify)
    expect(await emailOf(sessions.verify(withCredential('ann'), stay))).toBe('ann@example.com')
    expect([first.asked, second.asked, third.asked]).toEqual([[], ['ann'], []])
  })

  it.each([
    ['refuses', refusing, 401],
    ['is out of reach', failing, 503],
  ])('ends at a mode that %s: the next is not tried', async (_name, verify, status) => {
    const second = createOther()
    const sessions = createSessions([createVerifier({ verify }), second], identify)
    const request = requestWith({ 'x-session': 'ann', 'x-other': 'ann' })
    await expect(sessions.verify(request, stay)).rejects.toMatchObject({ status })
    expect(second.asked).toEqual([])
  })

  it('refuses a request without a credential with a challenge that names no error, as RFC 6750 §3 requires', async () => {
    const sessions = createSessions([createVerifier(), createOther()], identify)
    await expect(sessions.verify(requestWith({}), stay)).rejects.toMatchObject({
      code: 'session_missing',
      headers: { 'www-authenticate': 'Bearer realm="widget-token"' },
    })
  })

  it('refuses an invalid credential with a challenge that says so', async () => {
    const sessions = createSessions([createVerifier({ verify: refusing })], identify)
    await expect(sessions.verify(withCredential('ann'), stay)).rejects.toMatchObject({
      code: 'session_invalid',
      headers: { 'www-authenticate': 'Bearer realm="widget-token", error="invalid_token"' },
    })
  })
})

describe('A source that hangs', () => {
  it('is asked at most 1,024 questions at once by two networks: a third network gets overloaded until one ends', async () => {
    const ends: (() => void)[] = []
    const verify = () =>
      new Promise<VerifiedClaims>((resolve) => {
        ends.push(() => resolve({ claims: { email: 'ann@example.com' } }))
      })
    const sessions = createSessions([createVerifier({ verify })], identify)
    const asked = Array.from({ length: 1_024 }, (_, user) =>
      sessions.verify(withCredential(`${user}`), { ...stay, network: () => (user % 2 ? 'odd' : 'even') }),
    )
    const refusal = { code: 'overloaded', headers: { 'retry-after': expect.any(String) } }
    await expect(sessions.verify(withCredential('ann'), stay)).rejects.toMatchObject(refusal)
    ends[0]!()
    await asked[0]
    const next = sessions.verify(withCredential('ann'), stay)
    for (const end of ends) end()
    expect(await emailOf(next)).toBe('ann@example.com')
    await Promise.all(asked)
  })

  it('answers overloaded to a question that waited for its turn until the deadline', async () => {
    const sessions = createSessions([createVerifier({ verify: hanging })], identify, {
      timeoutMs: 50,
      excessOf: limited,
    })
    const leaving = new AbortController()
    const question = { signal: leaving.signal, network: () => 'one' }
    const open = Array.from({ length: 16 }, (_, user) =>
      sessions.verify(withCredential(`${user}`), question).catch(() => undefined),
    )
    await expect(sessions.verify(withCredential('ann'), question)).rejects.toMatchObject({
      status: 503,
      code: 'overloaded',
      headers: { 'retry-after': expect.any(String) },
    })
    leaving.abort()
    await Promise.all(open)
  })
})

describe('What was verified', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
  afterEach(() => void vi.useRealTimers())

  it('is remembered as long as the mode says, and no longer', async () => {
    expect(await askAt(createVerifier(), [0, 29_999, 30_000])).toEqual([1, 1, 2])
  })

  it('is not remembered past its own expiry', async () => {
    const expiresAt = performance.now() + 500
    const verify = () => Promise.resolve({ claims: { email: 'ann@example.com' }, expiresAt })
    expect(await askAt(createVerifier({ verify }), [0, 499, 500, 501])).toEqual([1, 1, 2, 3])
  })

  it('is not remembered if the mode says 0', async () => {
    expect(await askAt(createVerifier({ rememberMs: 0 }), [0, 0])).toEqual([1, 2])
  })

  it('does not include refusals, so that a sign-in under the same cookie works at once', async () => {
    const verdicts = [refusing, refusing, () => Promise.resolve({ claims: { email: 'ann@example.com' } })]
    const sessions = createSessions([createVerifier({ verify: () => verdicts.shift()!() })], identify)
    for (let asked = 0; asked < 2; asked += 1)
      await expect(sessions.verify(withCredential('ann'), stay)).rejects.toMatchObject({ status: 401 })
    expect(await emailOf(sessions.verify(withCredential('ann'), stay))).toBe('ann@example.com')
  })

  it.each([true, false])('gives way to a refusal of the same credential (remote: %s)', async (remote) => {
    const verdicts = [async () => ({ claims: { email: 'ann@example.com' } }), refusing, refusing]
    const sessions = createSessions([createVerifier({ remote, verify: () => verdicts.shift()!() })], identify)
    await sessions.verify(withCredential('ann'), stay)
    for (const fresh of [true, false]) {
      const asked = sessions.verify(withCredential('ann'), { ...stay, fresh })
      await expect(asked).rejects.toMatchObject({ code: 'session_invalid' })
    }
  })

  it('is verified again on request, and the new answer is remembered', async () => {
    const users = ['ann', 'bob', 'eve']
    const verify = async () => ({ claims: { email: `${users.shift()}@example.com` } })
    const sessions = createSessions([createVerifier({ verify })], identify)
    const emails: string[] = []
    for (const fresh of [false, false, true, false])
      emails.push(await emailOf(sessions.verify(withCredential('shared'), { ...stay, fresh })))
    expect(emails).toEqual(['ann', 'ann', 'bob', 'bob'].map((name) => `${name}@example.com`))
  })

  it('is verified again while a question is open, whose late answer is then not remembered', async () => {
    const answers: ((email: string) => void)[] = []
    const verify = () =>
      new Promise<VerifiedClaims>((resolve) => {
        answers.push((email) => resolve({ claims: { email } }))
      })
    const sessions = createSessions([createVerifier({ verify })], identify)
    const early = sessions.verify(withCredential('shared'), stay)
    const late = sessions.verify(withCredential('shared'), { ...stay, fresh: true })
    answers[1]!('bob@example.com')
    expect(await emailOf(late)).toBe('bob@example.com')
    answers[0]!('ann@example.com')
    expect(await emailOf(early)).toBe('ann@example.com')
    expect(await emailOf(sessions.verify(withCredential('shared'), stay))).toBe('bob@example.com')
  })

  it('does not include outages: the next request asks again', async () => {
    expect(await askAt(createVerifier({ verify: failing }), [0, 0])).toEqual([1, 2])
  })

  it('is kept apart by credential, by mode and by source', async () => {
    const [one, two] = [createVerifier(), createVerifier({ id: 'two' })]
    const third = createVerifier({ mode: 'other' })
    Object.assign(two, { readCredential: readFrom('x-two') })
    Object.assign(third, { readCredential: readFrom('x-three') })
    const sessions = createSessions([one, two, third], identify)
    for (const name of ['x-session', 'x-two', 'x-three'])
      await sessions.verify(requestWith({ [name]: 'ann' }), stay)
    await sessions.verify(withCredential('bob'), stay)
    expect([one.asked, two.asked, third.asked]).toEqual([['ann', 'bob'], ['ann'], ['ann']])
  })

  it('is limited in number, and the one that was last used longest ago is dropped', async () => {
    const verifier = createVerifier()
    const sessions = createSessions([verifier], identify, { maxRemembered: 100 })
    for (let user = 0; user <= 200; user += 1) await sessions.verify(withCredential(`user-${user}`), stay)
    await sessions.verify(withCredential('user-101'), stay)
    expect(verifier.asked).toHaveLength(201)
    await sessions.verify(withCredential('user-0'), stay)
    expect(verifier.asked).toHaveLength(202)
  })
})

describe('Many at once with one credential', () => {
  it('ask the source once, and all get its answer', async () => {
    const { verifier, answer } = createSlow()
    const sessions = createSessions([verifier], identify)
    const callers = Array.from({ length: 20 }, () => new AbortController().signal)
    const asked = callers.map((signal) => sessions.verify(withCredential('ann'), { signal }))
    answer()
    const emails = (await Promise.all(asked)).map(requireEmail)
    expect(new Set(emails)).toEqual(new Set(['ann@example.com']))
    expect(verifier.asked).toEqual(['ann'])
  })

  it('do not fail when one of them disconnects', async () => {
    const { verifier, signals, answer } = createSlow()
    const sessions = createSessions([verifier], identify)
    const leaving = new AbortController()
    const left = sessions.verify(withCredential('ann'), { signal: leaving.signal })
    const stayed = sessions.verify(withCredential('ann'), stay)
    leaving.abort(new Error('the caller hung up'))
    await expect(left).rejects.toThrow('the caller hung up')
    expect(signals[0]?.aborted).toBe(false)
    answer()
    expect(await emailOf(stayed)).toBe('ann@example.com')
  })

  it('end the question when all of them have disconnected, and the next caller asks again', async () => {
    const { verifier, signals, answer } = createSlow()
    const sessions = createSessions([verifier], identify)
    const leaving = new AbortController()
    const left = sessions.verify(withCredential('ann'), { signal: leaving.signal })
    leaving.abort(new Error('the caller hung up'))
    await expect(left).rejects.toThrow('the caller hung up')
    expect(signals[0]?.aborted).toBe(true)
    const late = sessions.verify(withCredential('ann'), stay)
    answer()
    expect(await emailOf(late)).toBe('ann@example.com')
    expect(verifier.asked).toEqual(['ann', 'ann'])
  })
})

describe('A request that carries a session by itself', () => {
  it.each<[string, readonly string[] | 'all', string | undefined, boolean]>([
    ['has a cookie that a mode reads', ['sid'], 'theme=dark; sid=1', true],
    ['has only other cookies', ['sid'], 'theme=dark', false],
    ['has any cookie where a mode reads all', 'all', 'theme=dark', true],
    ['has no cookie where a mode reads all', 'all', undefined, false],
    ['has a cookie where no mode reads any', [], 'sid=1', false],
  ])('is one that %s', (_name, cookies, cookie, expected) => {
    const sessions = createSessions([createVerifier(), createVerifier({ cookies })], identify)
    expect(sessions.readsCookieOf(requestWith(cookie === undefined ? {} : { cookie }))).toBe(expected)
  })
})
