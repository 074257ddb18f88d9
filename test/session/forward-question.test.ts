import { beforeEach, describe, expect, it } from 'vitest'
import { useBroker, type RunningBroker } from '../peers/broker.ts'
import { send, type HeaderLines } from '../peers/exchange.ts'
import { answerJson, startEndpoint, type Endpoint } from '../peers/endpoint.ts'

const page = [['Origin', 'https://app.example.com']] as const
const session = ['Cookie', 'session=abc; _ga=1'] as const

let app: Endpoint
let broker: RunningBroker

beforeEach(async () => {
  app = await startEndpoint(answerJson({ email: 'ada@example.com' }))
})

async function open(changes: Record<string, string> = {}) {
  const used = await useBroker({
    SESSION_MODE: 'forward-auth',
    SESSION_JWT_SECRET: undefined,
    SESSION_FORWARD_URL: `${app.origin}/me`,
    ...changes,
  })
  broker = used.broker
}

const ask = (...lines: HeaderLines) =>
  send(`${broker.url}/widget-token`, { method: 'POST', headers: [...page, ...lines] })

/** The headers of the question for one request. */
async function questionOf(lines: HeaderLines, changes: Record<string, string> = {}) {
  await open(changes)
  await ask(...lines)
  return app.received.at(-1)?.headers ?? {}
}

/** How many questions these requests, one after the other, are. */
async function countQuestions(requests: readonly HeaderLines[], changes: Record<string, string> = {}) {
  await open(changes)
  for (const lines of requests) await ask(...lines)
  return app.received.length
}

const forwarded = (headers: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('x-')))

describe('The user agent of a question', () => {
  it.each([
    ['as it came', 'Mozilla/5.0 (X11; Linux x86_64)', 'Mozilla/5.0 (X11; Linux x86_64)'],
    ['without what is not visible ASCII', 'caf\u00e9\tbrowser', 'cafbrowser'],
    ['up to 512 characters of it', 'x'.repeat(600), 'x'.repeat(512)],
    ['or our own where nothing is left', '\u00e9\u00e9', 'returning-ai-token-broker'],
  ])("is the caller's, %s", async (_name, sent, received) => {
    const question = await questionOf([session, ['User-Agent', sent]])
    expect(question['user-agent']).toBe(received)
  })

  it('is our own if the caller has none', async () => {
    expect((await questionOf([session]))['user-agent']).toBe('returning-ai-token-broker')
  })
})

describe('The forwarded headers of a question', () => {
  const claimed = [
    ['X-Forwarded-For', '203.0.113.9'],
    ['X-Forwarded-Proto', 'gopher'],
    ['X-Forwarded-Host', 'evil.example'],
    ['X-Forwarded-Uri', '/admin'],
    ['X-Original-URL', 'https://evil.example/admin'],
    ['X-Real-IP', '203.0.113.9'],
  ] as const

  it('are only the address of the peer, whatever the caller sends', async () => {
    expect(forwarded(await questionOf([session, ...claimed]))).toEqual({ 'x-forwarded-for': '127.0.0.1' })
  })

  it('have the address that a trusted proxy sends', async () => {
    const question = await questionOf([session, ...claimed], { TRUST_PROXY: '127.0.0.1' })
    expect(forwarded(question)).toEqual({ 'x-forwarded-for': '203.0.113.9' })
  })

  it('have the rest from PUBLIC_URL', async () => {
    const question = await questionOf([session, ...claimed], {
      PUBLIC_URL: 'https://app.example.com:8443/widgets/',
    })
    expect(forwarded(question)).toEqual({
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'app.example.com:8443',
      'x-forwarded-method': 'GET',
      'x-forwarded-uri': '/',
      'x-original-url': 'https://app.example.com:8443/',
    })
  })

  it('use the PUBLIC_URL to which the request was sent, if there are several', async () => {
    await open({ PUBLIC_URL: 'https://app.example.com, http://brand.example' })
    const hosts: unknown[] = []
    for (const host of ['brand.example', 'BRAND.example:80', 'app.example.com', 'evil.example']) {
      await ask(session, ['User-Agent', host], ['Host', host])
      hosts.push(app.received.at(-1)?.headers['x-forwarded-host'])
    }
    expect(hosts).toEqual(['brand.example', 'brand.example', 'app.example.com', 'app.example.com'])
  })
})

const from = (address: number) => [session, ['X-Forwarded-For', `203.0.113.${address}`]] as const

describe('An answer is remembered for the same question alone', () => {
  const agent = ['User-Agent', 'one'] as const

  it.each<[string, HeaderLines]>([
    ['cookie', [['Cookie', 'session=abd; _ga=1'], agent]],
    ['user agent', [session, ['User-Agent', 'two']]],
    ['bearer token', [session, agent, ['Authorization', 'Bearer a']]],
    ['address', [session, agent, ['X-Forwarded-For', '203.0.113.9']]],
  ])('and another %s is another question', async (_name, lines) => {
    const changes = { TRUST_PROXY: '127.0.0.1' }
    expect(await countQuestions([[session, agent], [session, agent], lines], changes)).toBe(2)
  })

  it('even if one browser alternates between a few addresses', async () => {
    const changes = { TRUST_PROXY: '127.0.0.1' }
    expect(await countQuestions([1, 2, 3, 4, 1, 2, 3, 4].map(from), changes)).toBe(4)
    await ask(...from(5))
    await ask(...from(1))
    expect(app.received).toHaveLength(6)
  })

  it('and headers that are not part of it make no difference', async () => {
    const other = [session, agent, ['Accept-Language', 'fr'], ['X-Forwarded-Host', 'evil.example']] as const
    expect(await countQuestions([[session, agent], other])).toBe(1)
  })
})

describe('SESSION_FORWARD_COOKIES', () => {
  const only = { SESSION_FORWARD_COOKIES: 'session, session.1' }

  it('passes on only these cookies', async () => {
    const cookies = ['Cookie', 'theme=dark; session=a=b; xsession=1; session.1="c;_ga=1'] as const
    expect((await questionOf([cookies], only)).cookie).toBe('session=a=b; session.1="c')
  })

  it('does not ask about a visitor who has only other cookies', async () => {
    await open(only)
    const { status, body } = await ask(['Cookie', '_ga=1; xsession=abc'])
    expect([status, JSON.parse(body).code, app.received.length]).toEqual([401, 'session_missing', 0])
  })

  it('asks once for one session, whatever the other cookies are', async () => {
    const later = ['Cookie', '_ga=2; session=abc'] as const
    expect(await countQuestions([[session], [later]], only)).toBe(1)
  })
})
