import { EventEmitter, once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Limit } from '../src/http/rate-limit.ts'
import type { IssuedToken, TokenIssuer } from '../src/returning-ai/issuer.ts'
import { requireEmail, type Session } from '../src/session/identity.ts'
import { createLogger } from '../src/telemetry/logger.ts'
import { createTokens } from '../src/tokens.ts'
import { answerJson, startEndpoint } from './peers/endpoint.ts'
import { signSession, startBroker, type RunningBroker } from './peers/broker.ts'
import { startVendor, type Vendor } from './peers/vendor.ts'

const ada: Session = {
  credentialHash: 'credential-1',
  mode: 'jwt',
  email: 'ada@example.com',
  subject: 'ada',
}
const withEmail = (session: Session, address: string): Session => ({ ...session, email: address })
const logger = createLogger({ level: 'silent', destination: { write() {} } })

const fiveMinutes = () => ({ expiresAt: performance.now() + 300_000 })
const ownerOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
const authorizationOf = async (user: string) =>
  `Bearer ${await signSession({ sub: user, email: `${user}@example.com` })}`

interface Ask {
  session?: Session
  fresh?: boolean
  issuer?: string
  signal?: AbortSignal
}

/** Tokens of a vendor that answers by numbers; `change` is what the next ones are like. */
function startTokens({
  cacheMs = 60_000,
  maxTokens = 1_000,
  change = (): Partial<IssuedToken> => ({}),
  limit = (): ReturnType<Limit> => ({}),
} = {}) {
  let minted = 0
  const issue = async (): Promise<IssuedToken> => {
    minted += 1
    return { token: `token-${minted}`, vendorMs: 1, attempts: 1, keyId: 'k', ...change() }
  }
  const tokens = createTokens({ limit, logger, cacheMs, maxTokens })
  const keys = new Set(['k'])
  const ask = async ({ session = ada, fresh = false, issuer = 'default', signal }: Ask = {}) => {
    const door: TokenIssuer = {
      name: issuer,
      door: 'signin',
      userOf: requireEmail,
      hasKey: (keyId) => keys.has(keyId),
      check() {},
      issue,
    }
    const request = {
      session,
      issuer: door,
      signal: signal ?? new AbortController().signal,
      audit: { requestId: 'r' },
    }
    return (await tokens.get(request, fresh)).token
  }
  return { ask, keys, mints: () => minted }
}

describe('A token', () => {
  beforeEach(() => vi.useFakeTimers({ toFake: ['performance', 'Date'] }))
  afterEach(() => vi.useRealTimers())

  it('is reused until thirty seconds before its end', async () => {
    const { ask } = startTokens({ change: fiveMinutes })
    expect(await ask()).toBe('token-1')
    vi.advanceTimersByTime(269_999)
    expect(await ask()).toBe('token-1')
    vi.advanceTimersByTime(1)
    expect(await ask()).toBe('token-2')
  })

  it('without an end is reused for the configured time', async () => {
    const { ask } = startTokens({ cacheMs: 60_000 })
    await ask()
    vi.advanceTimersByTime(59_999)
    expect(await ask()).toBe('token-1')
    vi.advanceTimersByTime(1)
    expect(await ask()).toBe('token-2')
  })

  it.each([30_000, 1, -60_000])('that ends in %i ms is handed out once', async (leftMs) => {
    const { ask, mints } = startTokens({ change: () => ({ expiresAt: performance.now() + leftMs }) })
    await ask()
    await ask()
    expect(mints()).toBe(2)
  })

  it.each([1e300, Infinity])('that ends in %d ms is reused like any other', async (leftMs) => {
    const { ask } = startTokens({ change: () => ({ expiresAt: performance.now() + leftMs }) })
    expect([await ask(), await ask()]).toEqual(['token-1', 'token-1'])
  })

  it.each([-86_400_000, 86_400_000])('is not affected by a clock that is set by %i ms', async (byMs) => {
    const { ask } = startTokens({ change: fiveMinutes })
    await ask()
    vi.setSystemTime(Date.now() + byMs)
    expect(await ask()).toBe('token-1')
    vi.advanceTimersByTime(270_000)
    expect(await ask()).toBe('token-2')
  })

  it('is reused only while the key that minted it is in use', async () => {
    const { ask, keys } = startTokens({ change: fiveMinutes })
    keys.add('new')
    expect([await ask(), await ask()]).toEqual(['token-1', 'token-1'])
    keys.delete('k')
    expect(await ask()).toBe('token-2')
  })

  it('is never reused when reuse is off, not even with an end', async () => {
    const { ask } = startTokens({ cacheMs: 0, change: fiveMinutes })
    expect([await ask(), await ask()]).toEqual(['token-1', 'token-2'])
  })

  it('belongs to one credential of one user with one email, and to one key ring', async () => {
    const { ask } = startTokens()
    const asked = [
      await ask(),
      await ask({ session: { ...ada, credentialHash: 'credential-2' } }),
      await ask({ issuer: 'store-widget' }),
      await ask(),
      await ask({ session: { ...ada, subject: 'bob' } }),
      await ask({ session: withEmail({ ...ada, subject: 'bob' }, 'ada@example.org') }),
    ]
    expect(asked).toEqual(['token-1', 'token-2', 'token-3', 'token-1', 'token-4', 'token-5'])
  })

  it('that is being minted is shared only with the same user, even if the credential changes hands meanwhile', async () => {
    const { ask } = startTokens()
    const bob = { ...ada, subject: 'bob' }
    const asked = [ask(), ask(), ask({ session: bob }), ask({ session: withEmail(bob, 'bob@example.com') })]
    expect(await Promise.all(asked)).toEqual(['token-1', 'token-1', 'token-2', 'token-3'])
  })

  it('that is requested again replaces the old one, if the vendor issues it', async () => {
    let down = false
    const change = () => {
      if (down) throw new Error('vendor down')
      return {}
    }
    const { ask } = startTokens({ change })
    await ask()
    expect(await ask({ fresh: true })).toBe('token-2')
    expect(await ask()).toBe('token-2')
    down = true
    await expect(ask({ fresh: true })).rejects.toThrow('vendor down')
    expect(await ask()).toBe('token-2')
  })

  it('is not handed out again once a new one was minted, however short-lived that one is', async () => {
    const lives = [300_000, 10_000, 300_000]
    const { ask } = startTokens({ change: () => ({ expiresAt: performance.now() + lives.shift()! }) })
    await ask()
    expect(await ask({ fresh: true })).toBe('token-2')
    expect(await ask()).toBe('token-3')
  })

  it('is requested again after a failure', async () => {
    const failures = [new Error('vendor down')]
    const change = () => {
      const failure = failures.pop()
      if (failure !== undefined) throw failure
      return {}
    }
    const { ask } = startTokens({ change })
    await expect(ask()).rejects.toThrow('vendor down')
    expect(await ask()).toBe('token-2')
  })

  it('over the limit is not minted, and a reused one does not count', async () => {
    let allowed = 1
    const limit = () => {
      allowed -= 1
      if (allowed < 0) throw new Error('too many')
      return {}
    }
    const { ask, mints } = startTokens({ limit })
    await ask()
    expect(await ask()).toBe('token-1')
    await expect(ask({ fresh: true })).rejects.toThrow('too many')
    expect(mints()).toBe(1)
  })

  it('is not minted for a caller that left while its limit was looked up', async () => {
    const leaving = new AbortController()
    const limit = async () => {
      await new Promise(setImmediate)
      leaving.abort(new Error('gone'))
      return {}
    }
    const { ask, mints } = startTokens({ limit })
    await expect(ask({ signal: leaving.signal })).rejects.toThrow('gone')
    await new Promise(setImmediate)
    expect(mints()).toBe(0)
  })

  it.each([
    ['sessions', 201, {}],
    ['characters', 13, { token: 'x'.repeat(8_192) }],
  ])(
    'of the session that was last used longest ago is dropped if there are too many %s',
    async (_what, count, like) => {
      const { ask, mints } = startTokens({ change: () => like, maxTokens: 100 })
      for (let number = 1; number <= count; number += 1)
        await ask({ session: { ...ada, credentialHash: String(number) } })
      await ask({ session: { ...ada, credentialHash: String(count) } })
      expect(mints()).toBe(count)
      await ask({ session: { ...ada, credentialHash: '1' } })
      expect(mints()).toBe(count + 1)
    },
  )
})

describe('POST /widget-token', () => {
  let vendor: Vendor
  let broker: RunningBroker

  beforeEach(async () => {
    vendor = await startVendor()
  })

  async function start(environment: Record<string, string> = {}): Promise<void> {
    broker = await startBroker({ WIDGET_BASE_URL: vendor.url, RATE_LIMIT_PER_MINUTE: '1000', ...environment })
  }

  /** Makes the vendor wait with every answer until the test lets it go on. */
  function holdVendor() {
    const gate = new EventEmitter()
    const held = once(gate, 'open')
    vendor.answerWith(async (response, request) => {
      await held
      await vendor.giveToken(response, request)
    })
    const asked = (count: number) =>
      vi.waitFor(() => expect(vendor.requests).toHaveLength(count), { interval: 5 })
    return { release: () => gate.emit('open'), asked }
  }

  const issuedLines = () => broker.logLines().filter(({ event }) => event === 'token_issued')

  /** The owners of the tokens that one cookie gets before and after another user takes it over. */
  async function switchUsers(SESSION_CACHE_SECONDS: string, headers: Record<string, string> = {}) {
    const shop = await startEndpoint(answerJson({ sub: 'ada', email: 'ada@example.com' }))
    const SESSION_FORWARD_URL = `${shop.origin}/me`
    await start({ SESSION_MODE: 'forward-auth', SESSION_FORWARD_URL, SESSION_CACHE_SECONDS })
    const first = await (await broker.askToken({ cookie: 'sid=1' })).json()
    shop.answer = answerJson({ sub: 'grace', email: 'grace@example.com' })
    const second = await (await broker.askToken({ cookie: 'sid=1', ...headers })).json()
    await shop.close()
    expect(second.subject).not.toBe(first.subject)
    return [ownerOf(first.token).email, ownerOf(second.token).email]
  }

  it('gives a different token once the session source names another user for the same cookie', async () => {
    expect(await switchUsers('0')).toEqual(['ada@example.com', 'grace@example.com'])
  })

  it('gives another user with a remembered cookie a different token on request', async () => {
    const fresh = { 'cache-control': 'no-cache' }
    expect(await switchUsers('30', fresh)).toEqual(['ada@example.com', 'grace@example.com'])
  })

  it('mints once for all tabs of a session that ask at the same time, and logs that once', async () => {
    await start()
    const { release, asked } = holdVendor()
    const authorization = await authorizationOf('ada')
    const answers = Array.from({ length: 10 }, () => broker.askToken({ authorization }))
    await asked(1)
    release()
    const tokens = new Set<string>()
    for (const answer of await Promise.all(answers)) tokens.add((await answer.json()).token)
    expect(tokens.size).toBe(1)
    expect(vendor.requests).toHaveLength(1)
    expect(issuedLines()).toHaveLength(1)
  })

  it('mints once for all callers that request a new token at the same time', async () => {
    await start()
    const authorization = await authorizationOf('ada')
    await broker.askToken({ authorization })
    const { release, asked } = holdVendor()
    const fresh = { authorization, 'cache-control': 'no-cache' }
    const answers = [broker.askToken(fresh), broker.askToken(fresh), broker.askToken(fresh)]
    await asked(2)
    release()
    const tokens = await Promise.all(answers.map(async (answer) => (await (await answer).json()).token))
    expect(new Set(tokens).size).toBe(1)
    expect(vendor.requests).toHaveLength(2)
  })

  it('mints for the remaining callers when the first one disconnects, and logs that once', async () => {
    await start()
    const { release, asked } = holdVendor()
    const authorization = await authorizationOf('ada')
    const leaving = new AbortController()
    const request = { method: 'POST', headers: { authorization, origin: 'https://app.example.com' } }
    const left = fetch(`${broker.url}/widget-token`, { ...request, signal: leaving.signal })
    await asked(1)
    const joined = once(broker.server, 'request')
    const stayed = broker.askToken({ authorization })
    await joined
    await new Promise(setImmediate)
    leaving.abort()
    await expect(left).rejects.toThrow('aborted')
    await vi.waitFor(() => expect(broker.logLines().at(-1)).toMatchObject({ status: 499 }), { interval: 5 })
    release()
    expect((await stayed).status).toBe(200)
    expect(vendor.requests).toHaveLength(1)
    expect(issuedLines()).toHaveLength(1)
  })

  it('ends the vendor call when the last caller leaves, and serves the next', async () => {
    await start()
    const ended = once(vendor.server, 'request').then(([, response]) => once(response, 'close'))
    const { release, asked } = holdVendor()
    const authorization = await authorizationOf('ada')
    const leaving = new AbortController()
    const request = { method: 'POST', headers: { authorization }, signal: leaving.signal }
    const left = fetch(`${broker.url}/widget-token`, request)
    await asked(1)
    leaving.abort()
    await expect(left).rejects.toThrow('aborted')
    await ended
    release()
    expect((await broker.askToken({ authorization })).status).toBe(200)
    expect(issuedLines()).toHaveLength(1)
  })

  it.each(['store-widget', 'default'])(
    'keeps the tokens of the widget type %s, which has a key of its own, apart',
    async (type) => {
      await start({ WIDGET_API_KEYS: `${type}:widget-api-key-2` })
      const authorization = await authorizationOf('ada')
      const paths = ['/widget-token', `/widget-token?widget=${type}`, '/widget-token?widget=other']
      const tokens: string[] = []
      for (const path of paths)
        tokens.push((await (await broker.askToken({ authorization }, path)).json()).token)
      expect(tokens[0]).toBe(tokens[2])
      expect(tokens[1]).not.toBe(tokens[0])
      expect(vendor.requests.map(({ headers }) => headers['returningai-api-key'])).toEqual([
        'widget-api-key-1',
        'widget-api-key-2',
      ])
    },
  )

  it('never answers with the token of another user, whichever callers disconnect', async () => {
    await start({ TOKEN_CACHE_SECONDS: '0' })
    const users = ['ada', 'grace']
    const authorizations = await Promise.all(users.map(authorizationOf))
    const owners = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const leaving = new AbortController()
        if (index % 3 === 0) setTimeout(() => leaving.abort(), Math.random() * 100)
        const headers = { authorization: authorizations[index % 2]! }
        const request = { method: 'POST', headers, signal: leaving.signal }
        const body = await fetch(`${broker.url}/widget-token`, request)
          .then((answer) => answer.json())
          .catch(() => undefined)
        return body === undefined ? 'left' : ownerOf(body.token).email
      }),
    )
    for (const [index, owner] of owners.entries()) {
      const allowed = index % 3 === 0 ? ['left'] : []
      expect([...allowed, `${users[index % 2]}@example.com`]).toContain(owner)
    }
  })
})
