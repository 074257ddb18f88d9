import dns from 'node:dns'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { HttpClient } from '../../src/outbound/client.ts'
import { OutboundFault } from '../../src/outbound/fault.ts'
import { startBroker } from '../peers/broker.ts'
import { makeCertificates, opensslMissing, type Certificates } from '../peers/certificates.ts'
import { useClient } from '../peers/client.ts'
import { startFullListener } from '../peers/full-listener.ts'
import { startProxy } from '../peers/proxy.ts'
import { giveToken, startRawVendor, type RawVendor } from '../peers/raw.ts'

type Options = Parameters<typeof useClient>[0]

/** Undefined only where the tests that use them are skipped. */
let certificates: Certificates
let vendor: RawVendor
let proxy: Awaited<ReturnType<typeof startProxy>>
let client: HttpClient

beforeAll(async () => {
  if (opensslMissing === undefined) certificates = makeCertificates()
  proxy = await startProxy()
})

afterEach(() => {
  proxy.tunnels.length = 0
})

function open(options: Partial<Options> = {}) {
  client = useClient({ maxConnections: 8, connectTimeoutMs: 1000, ca: certificates?.ca, ...options })
}

/** The status of one call, or the word for its fault. */
async function ask({ url = vendor.url, timeoutMs = 2000, headers = {} } = {}) {
  const request = { url: new URL('/x?y=1', url), method: 'POST' as const, headers, timeoutMs, maxBytes: 1000 }
  try {
    return (await client.exchange(request)).status
  } catch (error) {
    if (!(error instanceof OutboundFault)) throw error
    return error.detail
  }
}

describe.skipIf(opensslMissing)(`TLS ${opensslMissing ?? ''}`, () => {
  it('reaches a host with a valid certificate from a trusted authority', async () => {
    vendor = await startRawVendor(giveToken, certificates.valid)
    open()
    expect(await ask()).toBe(200)
  })

  it.each(['expired', 'otherHost', 'selfSigned'] as const)(
    'sends nothing to a host whose certificate is %s',
    async (name) => {
      vendor = await startRawVendor(giveToken, certificates[name])
      open()
      expect(await ask()).toBe('tls_failure')
      expect(vendor.requests).toEqual([])
    },
  )

  it('refuses a host that supports at most TLS 1.1', async () => {
    const old = { ciphers: 'DEFAULT@SECLEVEL=0', minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' } as const
    vendor = await startRawVendor(giveToken, { ...certificates.valid, ...old })
    open()
    expect(await ask()).toBe('tls_failure')
  })

  it('refuses a host that does not speak TLS', async () => {
    vendor = await startRawVendor()
    vendor.server.on('connection', (socket) =>
      socket.on('data', () => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')),
    )
    open()
    expect(await ask({ url: `https://localhost:${vendor.port}` })).toBe('tls_failure')
  })
})

describe.skipIf(opensslMissing)(`HTTPS_PROXY ${opensslMissing ?? ''}`, () => {
  it('is used for https, with its credentials, and TLS still ends at the destination', async () => {
    vendor = await startRawVendor(giveToken, certificates.valid)
    open({ httpsProxy: proxy.url })
    expect(await ask()).toBe(200)
    expect(proxy.tunnels).toEqual([`localhost:${vendor.port}`])
    expect(vendor.requests[0]).toContain('POST /x?y=1 HTTP/1.1')
    expect(vendor.requests[0]).not.toMatch(/proxy-/i)
  })

  it('does not make an invalid certificate acceptable', async () => {
    vendor = await startRawVendor(giveToken, certificates.otherHost)
    open({ httpsProxy: proxy.url })
    expect(await ask()).toBe('tls_failure')
  })

  it.each(['localhost', 'other.test, localhost', '*'])('is bypassed for NO_PROXY=%s', async (noProxy) => {
    vendor = await startRawVendor(giveToken, certificates.valid)
    open({ httpsProxy: proxy.url, noProxy })
    expect(await ask()).toBe(200)
    expect(proxy.tunnels).toEqual([])
  })

  it('is not used for http', async () => {
    vendor = await startRawVendor()
    open({ httpsProxy: proxy.url })
    expect(await ask()).toBe(200)
    expect(proxy.tunnels).toEqual([])
  })

  it('is replaced without a failed call', async () => {
    vendor = await startRawVendor(giveToken, certificates.valid)
    const successor = await startProxy()
    open({ httpsProxy: proxy.url })
    const state = { done: false }
    const seen = new Set<unknown>()
    const callers = Array.from({ length: 4 }, async () => {
      while (!state.done) seen.add(await ask())
    })
    await vi.waitFor(() => expect(proxy.tunnels).not.toEqual([]))
    client.useProxy(successor.url)
    await vi.waitFor(() => expect(successor.tunnels).not.toEqual([]))
    const before = proxy.tunnels.length
    for (let call = 0; call < 10; call += 1) seen.add(await ask())
    state.done = true
    await Promise.all(callers)
    expect(seen).toEqual(new Set([200]))
    expect(proxy.tunnels).toHaveLength(before)
  })

  it('that refuses the credentials causes connect_refused, and its password is in no log line', async () => {
    vendor = await startRawVendor(giveToken, certificates.valid)
    open()
    const wrong = proxy.url.replace('proxy-secret-1', 'proxy-secret-2')
    const broker = await startBroker({ WIDGET_BASE_URL: vendor.url, HTTPS_PROXY: wrong, LOG_LEVEL: 'trace' })
    expect(await (await broker.askToken()).json()).toMatchObject({ code: 'vendor_unavailable' })
    const word = Buffer.from('broker:proxy-secret-2').toString('base64')
    await vi.waitFor(() => expect(broker.logLines().at(-1)).toMatchObject({ outcome: 'connect_refused' }))
    expect(broker.logText()).not.toContain('proxy-secret')
    expect(broker.logText()).not.toContain(word)
  })
})

/** Resolves the name of an app to these addresses, in this order. */
function resolveTo(addresses: readonly string[]) {
  const records = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }))
  const lookup = ((_name: string, _options: object, done: (error: null, found: object[]) => void) =>
    done(null, records)) as unknown as typeof dns.lookup
  vi.spyOn(dns, 'lookup').mockImplementation(lookup)
}

const ipv6Missing = Object.values(networkInterfaces())
  .flat()
  .some((one) => one?.address === '::1')
  ? undefined
  : 'no IPv6 loopback'

describe.skipIf(ipv6Missing)(`A host with several addresses ${ipv6Missing ?? ''}`, () => {
  afterEach(() => void vi.restoreAllMocks())

  it.each([
    ['an IPv4 one after a closed IPv6 one', ['::1', '127.0.0.1']],
    ['an IPv4 one before a closed IPv6 one', ['127.0.0.1', '::1']],
    ['the last of three', ['::1', '::1', '127.0.0.1']],
  ])('is reached at %s', async (_name, addresses) => {
    vendor = await startRawVendor()
    open()
    resolveTo(addresses)
    expect(await ask({ url: `http://app.test:${vendor.port}` })).toBe(200)
  })

  it('is reached at the last address within a short deadline, while the others hang', async () => {
    const full = await startFullListener()
    const { port } = new URL(full.url)
    const live = createServer((_request, response) => response.end()).listen(Number(port), '::1')
    await once(live, 'listening')
    vendor = await startRawVendor()
    open({ connectTimeoutMs: 100 })
    resolveTo([...Array<string>(4).fill('127.0.0.1'), '::1'])
    expect(await ask({ url: `http://app.test:${port}`, timeoutMs: 900 })).toBe(200)
    live.close()
  })
})

describe('A connection', () => {
  afterEach(() => void vi.useRealTimers())

  it('is replaced after a minute of use, so that DNS changes are followed', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    vendor = await startRawVendor()
    open({ maxConnections: 1 })
    const connections: number[] = []
    for (const passMs of [0, 59_999, 1, 59_999]) {
      vi.advanceTimersByTime(passMs)
      expect(await ask()).toBe(200)
      connections.push(vendor.connections)
    }
    expect(connections).toEqual([1, 1, 2, 2])
  })

  it('finishes an exchange in progress, however old it is by then', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const answers: (() => void)[] = []
    vendor = await startRawVendor((socket, nth) => void answers.push(() => giveToken(socket, nth)))
    open({ maxConnections: 1 })
    const early = ask({ timeoutMs: 20_000 })
    await vi.waitFor(() => expect(answers).toHaveLength(1))
    vi.advanceTimersByTime(60_000)
    const late = ask({ timeoutMs: 20_000 })
    await vi.waitFor(() => expect(answers).toHaveLength(2))
    for (const answer of answers) answer()
    expect(await Promise.all([early, late])).toEqual([200, 200])
  })
})

describe('A call', () => {
  it('ends at its deadline, even before there is a connection', async () => {
    const full = await startFullListener()
    vendor = await startRawVendor()
    open({ connectTimeoutMs: 10_000 })
    expect(await ask({ url: full.url, timeoutMs: 200 })).toBe('timeout_connect')
  })

  it.each([
    ['a new connection', 1, 'reset'],
    ['a connection that had answered before', 2, 'stale_socket'],
  ])('that loses %s reports which kind it was', async (_which, dies, detail) => {
    vendor = await startRawVendor((socket, nth) => {
      if (nth === dies) socket.resetAndDestroy()
      else giveToken(socket, nth)
    })
    open({ maxConnections: 1 })
    if (dies === 2) expect(await ask()).toBe(200)
    expect(await ask()).toBe(detail)
  })

  it('reports only that it failed if a header cannot be sent', async () => {
    vendor = await startRawVendor()
    open()
    expect(await ask({ headers: { key: 'secret\r\nx: 1' } })).toBe('protocol_error')
    expect(vendor.requests).toEqual([])
  })
})
