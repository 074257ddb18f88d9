import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sign as signCookie } from 'cookie-signature'
import { createClient } from 'redis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { signSession, startBroker, type RunningBroker } from '../peers/broker.ts'
import { startEndpoint, type Endpoint } from '../peers/endpoint.ts'
import { startProxy } from '../peers/proxy.ts'
import { createRedisServer, redisMissing, type RedisServer } from '../peers/redis.ts'
import { audience, createToken, issuer } from '../peers/token.ts'
import { startVendor, type Vendor } from '../peers/vendor.ts'

type Headers = Record<string, string>

const [oldSecret, newSecret] = [
  'the old secret has at least 32 bytes',
  'the new secret has at least 32 bytes',
]
const withinTwoSeconds = { timeout: 2000, interval: 20 }

let folder: string
let vendor: Vendor
let broker: RunningBroker

beforeAll(async () => {
  vendor = await startVendor()
})

afterAll(() => vendor.close())

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'secrets-'))
})

afterEach(async () => {
  await broker.close()
  rmSync(folder, { recursive: true })
})

const fileOf = (name: string) => join(folder, name)

function replaceFile(name: string, lines: readonly string[]): void {
  writeFileSync(`${fileOf(name)}.new`, `${lines.join('\n')}\n`)
  renameSync(`${fileOf(name)}.new`, fileOf(name))
}

async function start(
  name: string,
  lines: readonly string[],
  environment: Record<string, string | undefined>,
) {
  replaceFile(name, lines)
  broker = await startBroker({
    WIDGET_BASE_URL: vendor.url,
    RATE_LIMIT_PER_MINUTE: '100000',
    ...environment,
    [name]: undefined,
    [`${name}_FILE`]: fileOf(name),
  })
}

const eventsOf = (name: string) =>
  broker.logLines().filter((line) => line.name === name && String(line.event).endsWith('_file'))

/** Replaces the file, and waits until the log says that it is in use. */
async function rotate(name: string, lines: readonly string[]): Promise<void> {
  const before = eventsOf(name).length
  replaceFile(name, lines)
  await vi.waitFor(() => expect(eventsOf(name)).toHaveLength(before + 1), withinTwoSeconds)
}

const statusOf = async (headers: Headers, path?: string) => (await broker.askToken(headers, path)).status

/** Asks with each credential in turn until the work is done, and gives all statuses. */
async function askDuring(
  credentials: readonly Headers[],
  work: () => Promise<void>,
  path?: string,
): Promise<Set<number>> {
  const state = { done: false }
  const statuses = new Set<number>()
  async function ask(headers: Headers): Promise<void> {
    while (!state.done) statuses.add(await statusOf(headers, path))
  }
  const users = credentials.map(ask)
  await work().finally(() => (state.done = true))
  await Promise.all(users)
  return statuses
}

interface Rotation {
  name: string
  values: [old: string, new: string]
  environment: () => Record<string, string | undefined>
  /** A session by the old secret, and one by the new. */
  sessions: () => Promise<[Headers, Headers]>
}

const pemOf = ({ publicKey }: { publicKey: KeyObject }) =>
  publicKey.export({ type: 'spki', format: 'pem' }).toString().trim()
const pairs = [0, 1].map(() => generateKeyPairSync('rsa', { modulusLength: 2048 }))
const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` })

const proven = (proof: string): Headers => ({
  cookie: 'of=nobody',
  'x-forwarded-email': 'ada@example.com',
  'x-broker-proof': proof,
})

const rotations: Rotation[] = [
  {
    name: 'SESSION_JWT_SECRET',
    values: [oldSecret, newSecret],
    environment: () => ({}),
    sessions: async () => [
      bearer(await signSession({}, oldSecret)),
      bearer(await signSession({ sub: 'eve' }, newSecret)),
    ],
  },
  {
    name: 'SESSION_JWT_PUBLIC_KEY',
    values: [pemOf(pairs[0]!), pemOf(pairs[1]!)],
    environment: () => ({
      SESSION_JWT_SECRET: undefined,
      SESSION_JWT_ISSUER: issuer,
      SESSION_JWT_AUDIENCE: audience,
    }),
    sessions: async () =>
      pairs.map(({ privateKey }) => bearer(createToken({ key: privateKey }))) as [Headers, Headers],
  },
  {
    name: 'SESSION_HEADER_PROOF',
    values: ['the-old-proof-of-a-proxy', 'the-new-proof-of-a-proxy'],
    environment: () => ({
      SESSION_MODE: 'trusted-header',
      SESSION_JWT_SECRET: undefined,
      SESSION_HEADER: 'x-forwarded-email',
      SESSION_HEADER_PEERS: '127.0.0.0/8',
    }),
    sessions: async () => [proven('the-old-proof-of-a-proxy'), proven('the-new-proof-of-a-proxy')],
  },
]

describe.each(rotations)('$name from a file', ({ name, values, environment, sessions }) => {
  const [old, next] = values

  it('is replaced under load with an overlap, and sessions that only the old one verifies end with it', async () => {
    await start(name, [old], environment())
    const [bySession, byNewSession] = await sessions()
    expect([await statusOf(bySession), await statusOf(byNewSession)]).toEqual([200, 401])
    expect(await askDuring([bySession], () => rotate(name, [next, old]))).toEqual(new Set([200]))
    expect(await statusOf(byNewSession)).toBe(200)
    expect(await askDuring([byNewSession], () => rotate(name, [next]))).toEqual(new Set([200]))
    expect(await statusOf(bySession)).toBe(401)
  })

  it('that becomes unusable leaves the old one in use, and is reported by one error that does not show it', async () => {
    await start(name, [old], environment())
    const [bySession] = await sessions()
    await rotate(name, ['', ''])
    expect(eventsOf(name)).toMatchObject([{ level: 'error', outcome: 'malformed' }])
    expect(await statusOf(bySession)).toBe(200)
    await rotate(name, [next, old])
    expect(eventsOf(name)).toMatchObject([{}, { level: 'info', keyIds: expect.any(Array) }])
    expect(await statusOf(bySession)).toBe(200)
    for (const secret of [...old.split('\n'), ...next.split('\n')])
      expect(broker.logText()).not.toContain(secret)
  })
})

describe('SESSION_INTROSPECTION_CLIENT_SECRET from a file', () => {
  const name = 'SESSION_INTROSPECTION_CLIENT_SECRET'
  let server: Endpoint
  let accepted: string[]

  beforeEach(async () => {
    server = await startEndpoint((request, response) => {
      const [, credentials = ''] = request.headers.authorization?.split(' ') ?? []
      const [, secret = ''] = Buffer.from(credentials, 'base64').toString().split(':')
      const known = accepted.includes(secret)
      response.writeHead(known ? 200 : 401, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ active: true, sub: 'ada', email: 'ada@example.com' }))
    })
  })

  afterEach(() => server.close())

  it('is replaced under load: the new one is tried first, and the old one while the server knows only that one', async () => {
    accepted = ['the-old-one']
    await start(name, ['the-old-one'], {
      SESSION_MODE: 'introspection',
      SESSION_JWT_SECRET: undefined,
      SESSION_INTROSPECTION_URL: server.origin,
      SESSION_INTROSPECTION_CLIENT_ID: 'broker',
      SESSION_CACHE_SECONDS: '0',
    })
    const statuses = await askDuring([bearer('opaque')], async () => {
      await rotate(name, ['the-new-one', 'the-old-one'])
      accepted = ['the-new-one', 'the-old-one']
      await rotate(name, ['the-new-one'])
      accepted = ['the-new-one']
      await statusOf(bearer('opaque'))
    })
    expect(statuses).toEqual(new Set([200]))
  })
})

const cookieBy = (secret: string): Headers => ({
  cookie: `connect.sid=${encodeURIComponent(`s:${signCookie('an-id', secret)}`)}`,
})

describe.skipIf(redisMissing)(`express-session from files ${redisMissing ?? ''}`, () => {
  let stores: RedisServer[]

  beforeAll(async () => {
    stores = [await createRedisServer(), await createRedisServer()]
    for (const [index, store] of stores.entries()) {
      await store.start()
      const client = await createClient({ url: store.url }).connect()
      const session = { cookie: {}, email: `user-of-store-${index}@example.com`, sub: 'ada' }
      await client.set('sess:an-id', JSON.stringify(session))
      client.destroy()
    }
  })

  afterAll(() => Promise.all(stores.map((store) => store.close())))

  const environment = () => ({
    SESSION_MODE: 'express-session',
    SESSION_JWT_SECRET: undefined,
    SESSION_STORE_URL: stores[0]!.url,
    SESSION_SECRET: 'a secret',
  })

  it('SESSION_SECRET is replaced under load; each line is one secret, commas included', async () => {
    const [old, next] = ['an old, and a long secret', 'a new, and a long secret']
    await start('SESSION_SECRET', [old], environment())
    expect([await statusOf(cookieBy(old)), await statusOf(cookieBy('an old'))]).toEqual([200, 401])
    const rotation = () => rotate('SESSION_SECRET', [next, old])
    expect(await askDuring([cookieBy(old)], rotation)).toEqual(new Set([200]))
    expect(await askDuring([cookieBy(next)], () => rotate('SESSION_SECRET', [next]))).toEqual(new Set([200]))
    expect(await statusOf(cookieBy(old))).toBe(401)
  })

  it('SESSION_STORE_URL is replaced under load, and the users of the new store are those of the sessions', async () => {
    await start('SESSION_STORE_URL', [stores[0]!.url], environment())
    const cookie = cookieBy('a secret')
    const rotation = () => rotate('SESSION_STORE_URL', [stores[1]!.url])
    expect(await askDuring([cookie], rotation)).toEqual(new Set([200]))
    vendor.requests.length = 0
    await statusOf({ ...cookie, 'cache-control': 'no-cache' })
    expect(vendor.requests.map(({ headers }) => headers.email)).toEqual(['user-of-store-1@example.com'])
  })

  it('REDIS_URL is replaced under load, and the limits count in the new Redis', async () => {
    await start('REDIS_URL', [stores[0]!.url], { RATE_LIMIT_PER_MINUTE: '100000' })
    const fresh = { ...bearer(await signSession()), 'cache-control': 'no-cache' }
    expect(await askDuring([fresh], () => rotate('REDIS_URL', [stores[1]!.url]))).toEqual(new Set([200]))
    const client = await createClient({ url: stores[1]!.url }).connect()
    await vi.waitFor(async () => {
      await statusOf(fresh)
      expect(await client.keys('token-broker:user:*')).toHaveLength(1)
    })
    client.destroy()
    const outcomes = broker.logLines().map(({ outcome }) => outcome)
    expect(outcomes).not.toContain('redis_offline')
  })
})

describe('HTTPS_PROXY from a file', () => {
  it('is replaced: the next call to the vendor goes through the new proxy', async () => {
    const proxies = [await startProxy(), await startProxy()] as const
    // Nothing listens there. That the proxies are asked for a tunnel is enough.
    const elsewhere = { WIDGET_BASE_URL: 'https://localhost:9', VENDOR_TIMEOUT_MS: '1000' }
    await start('HTTPS_PROXY', [proxies[0].url], elsewhere)
    await broker.askToken()
    const tunnels = () => proxies.map((proxy) => proxy.tunnels.length > 0)
    expect(tunnels()).toEqual([true, false])
    await rotate('HTTPS_PROXY', [proxies[1].url])
    await broker.askToken()
    expect(tunnels()).toEqual([true, true])
    expect(broker.logText()).not.toContain('proxy-secret')
  })
})

const subject = async () => ((await (await broker.askToken()).json()) as { subject: string }).subject

describe('SUBJECT_KEY from a file', () => {
  it('is read at start only: a new one would make every user a new user', async () => {
    replaceFile('WIDGET_API_KEY', ['widget-key-a'])
    await start('SUBJECT_KEY', ['subject-key-number-1'], {
      WIDGET_API_KEY: undefined,
      WIDGET_API_KEY_FILE: fileOf('WIDGET_API_KEY'),
    })
    const before = await subject()
    replaceFile('SUBJECT_KEY', ['subject-key-number-2'])
    // A file that is followed, and that changes later, is in use first.
    await rotate('WIDGET_API_KEY', ['widget-key-b'])
    expect(await subject()).toBe(before)
    expect(eventsOf('SUBJECT_KEY')).toEqual([])
  })
})

describe('a file that is no longer a regular one', () => {
  it.each<[string, (path: string) => void]>([
    ['a pipe', (path) => execFileSync('mkfifo', [path])],
    ['larger than 16 KB', (path) => writeFileSync(path, 'x'.repeat(16 * 1024 + 1))],
  ])('and is %s stays without effect, and the next good one counts', async (_name, make) => {
    await start('WIDGET_API_KEY', ['widget-key-a'], {})
    unlinkSync(fileOf('WIDGET_API_KEY'))
    make(fileOf('WIDGET_API_KEY'))
    await vi.waitFor(() => expect(eventsOf('WIDGET_API_KEY')).toHaveLength(1), withinTwoSeconds)
    expect(eventsOf('WIDGET_API_KEY')).toMatchObject([{ level: 'error', outcome: 'unreadable' }])
    await rotate('WIDGET_API_KEY', ['widget-key-b'])
    vendor.requests.length = 0
    await broker.askToken({ 'cache-control': 'no-cache' })
    expect(vendor.requests[0]?.headers['returningai-api-key']).toBe('widget-key-b')
  })
})

/** The pairs that the vendor got, each once. */
const pairsSent = () => {
  const bodies = vendor.requests.map(({ body }) => JSON.parse(body) as Record<string, string>)
  return [...new Set(bodies.map(({ accessId, accessKey }) => `${accessId} ${accessKey}`))]
}

describe('RAI_ACCESS_ID and RAI_ACCESS_KEY from files', () => {
  const names = ['RAI_ACCESS_ID', 'RAI_ACCESS_KEY'] as const
  const [oldPair, newPair] = [
    ['id-a', 'key-a'],
    ['id-b', 'key-b'],
  ]

  beforeEach(() => {
    vendor.answerWith((response) => {
      const data = { embedToken: 'an-embed-token', expiresIn: 900 }
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ data }))
    })
    vendor.requests.length = 0
  })

  afterEach(() => vendor.answerWith())

  async function startByFiles(folderOfBoth = folder): Promise<void> {
    broker = await startBroker({
      RAI_API_URL: vendor.url,
      RAI_USER_IDENTIFIERS: 'data-customer-id=sub',
      RATE_LIMIT_PER_MINUTE: '100000',
      ...Object.fromEntries(names.map((name) => [`${name}_FILE`, join(folderOfBoth, name)])),
    })
  }

  function writePair(values: readonly string[], into = folder): void {
    for (const [index, name] of names.entries()) writeFileSync(join(into, name), values[index]!)
  }

  const changes = () => names.map((name) => eventsOf(name).length)
  /** Asks for tokens until the log says that both are in use, and gives the statuses. */
  async function askUntilChanged(change: () => Promise<void> | void): Promise<Set<number>> {
    const state = { done: false }
    const authorization = `Bearer ${await signSession()}`
    const statuses = new Set<number>()
    async function ask(): Promise<void> {
      while (!state.done) statuses.add((await broker.askToken({ authorization }, '/embed-token')).status)
    }
    const asked = ask()
    await change()
    const inUse = vi.waitFor(() => expect(changes()).toEqual([1, 1]), withinTwoSeconds)
    await inUse.finally(() => (state.done = true))
    await asked
    await broker.askToken({}, '/embed-token')
    return statuses
  }

  it('that are behind a swapped symlink are replaced together, under load', async () => {
    for (const [version, values] of [
      ['v1', oldPair],
      ['v2', newPair],
    ] as const) {
      mkdirSync(fileOf(version))
      writePair(values, fileOf(version))
    }
    symlinkSync('v1', fileOf('..data'))
    for (const name of names) symlinkSync(join('..data', name), fileOf(name))
    await startByFiles()
    const swap = () => {
      symlinkSync('v2', fileOf('..data.new'))
      renameSync(fileOf('..data.new'), fileOf('..data'))
    }
    expect(await askUntilChanged(swap)).toEqual(new Set([200]))
    expect(pairsSent()).toEqual(['id-a key-a', 'id-b key-b'])
  })

  it.each([
    ['the id first', [0, 1]],
    ['the key first', [1, 0]],
  ])('that are written one after the other are replaced together: %s', async (_name, order) => {
    writePair(oldPair)
    await startByFiles()
    const [first, second] = order.map((index) => () => writeFileSync(fileOf(names[index]!), newPair[index]!))
    const change = async () => {
      first!()
      // A tool that takes its time. This delay is what is tested.
      await new Promise((resolve) => setTimeout(resolve, 900))
      second!()
    }
    expect(await askUntilChanged(change)).toEqual(new Set([200]))
    expect(pairsSent()).toEqual(['id-a key-a', 'id-b key-b'])
  })

  it('are in use within two seconds even if only one of them changes', async () => {
    writePair(oldPair)
    await startByFiles()
    writeFileSync(fileOf('RAI_ACCESS_KEY'), 'key-b')
    await vi.waitFor(() => expect(changes()).toEqual([0, 1]), withinTwoSeconds)
    await broker.askToken({}, '/embed-token')
    expect(pairsSent()).toEqual(['id-a key-b'])
  })

  it('stay in use while one of the new values is unusable', async () => {
    writePair(oldPair)
    await startByFiles()
    writePair(['id-b', 'a key with spaces'])
    await vi.waitFor(() => expect(changes()).toEqual([1, 1]), withinTwoSeconds)
    await broker.askToken({}, '/embed-token')
    writeFileSync(fileOf('RAI_ACCESS_KEY'), 'key-b')
    await vi.waitFor(() => expect(changes()).toEqual([1, 2]), withinTwoSeconds)
    await broker.askToken({}, '/embed-token')
    expect(pairsSent()).toEqual(['id-a key-a', 'id-b key-b'])
  })
})

/** The key by which the vendor is asked for a widget of the type. */
const keyOf = async (type: string) => {
  vendor.requests.length = 0
  await broker.askToken({ 'cache-control': 'no-cache' }, `/widget-token?widget=${type}`)
  return vendor.requests[0]?.headers['returningai-api-key']
}

describe('WIDGET_API_KEYS from a file', () => {
  it('takes another key for a type, and a type that is new, under load', async () => {
    await start('WIDGET_API_KEYS', ['store-widget:store-key-a'], {})
    expect([await keyOf('store-widget'), await keyOf('social-widget')]).toEqual([
      'store-key-a',
      'widget-api-key-1',
    ])
    const next = ['store-widget:store-key-b,social-widget:social-key']
    const rotation = () => rotate('WIDGET_API_KEYS', next)
    const fresh = { ...bearer(await signSession()), 'cache-control': 'no-cache' }
    expect(await askDuring([fresh], rotation, '/widget-token?widget=store-widget')).toEqual(new Set([200]))
    expect([await keyOf('store-widget'), await keyOf('social-widget')]).toEqual(['store-key-b', 'social-key'])
  })
})
