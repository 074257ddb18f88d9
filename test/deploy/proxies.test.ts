import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { apacheMissing, startApacheWith } from '../peers/apache.ts'
import { findFreePort } from '../peers/binary.ts'
import { signSession, useBroker } from '../peers/broker.ts'
import { caddyMissing, startCaddyWith } from '../peers/caddy.ts'
import { makeCertificates, opensslMissing } from '../peers/certificates.ts'
import { atEnd } from '../peers/clean-up.ts'
import { root } from '../peers/documents.ts'
import { send, type Question } from '../peers/exchange.ts'
import { listen } from '../peers/listen.ts'
import { nginxMissing, startNginxWith } from '../peers/nginx.ts'

const read = (name: string) => readFileSync(join(root, 'deploy/proxies', name), 'utf8')

/** The example of each proxy, how it starts, and its address in the example and in the test. */
const proxies = [
  {
    file: 'nginx.conf',
    missing: nginxMissing,
    start: startNginxWith,
    address: ['443 ssl', (port: number) => `127.0.0.1:${port} ssl`],
  },
  {
    file: 'compose-nginx.conf',
    missing: nginxMissing,
    start: startNginxWith,
    address: ['8443 ssl', (port: number) => `127.0.0.1:${port} ssl`],
  },
  {
    file: 'Caddyfile',
    missing: caddyMissing,
    start: startCaddyWith,
    address: ['app.example.com {', (port: number) => `https://localhost:${port} {`],
  },
  {
    file: 'apache.conf',
    missing: apacheMissing,
    start: startApacheWith,
    address: ['*:443', (port: number) => `127.0.0.1:${port}`],
  },
] as const

/** Puts the addresses of this test into an example. Each must be in it. */
function fill(text: string, places: readonly (readonly [RegExp | string, string])[]): string {
  return places.reduce((filled, [place, value]) => {
    const next = filled.replaceAll(place, value)
    expect([place, next === filled]).toEqual([place, false])
    return next
  }, text)
}

function writeCertificate() {
  const directory = mkdtempSync(join(tmpdir(), 'tls-'))
  atEnd(() => rmSync(directory, { recursive: true }))
  const { ca, valid } = makeCertificates()
  const [certificate, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')]
  writeFileSync(certificate, valid.cert)
  writeFileSync(key, valid.key, { mode: 0o600 })
  return { ca, certificate, key }
}

for (const { file, missing = opensslMissing, start, address } of proxies)
  describe.skipIf(missing)(`deploy/proxies/${file} ${missing ?? ''}`, () => {
    let origin: string
    let broker: Awaited<ReturnType<typeof useBroker>>['broker']
    let connection: Question['connection']

    beforeAll(async () => {
      const { ca, certificate, key } = writeCertificate()
      broker = (await useBroker({ TRUST_PROXY: '127.0.0.1', ALLOWED_ORIGINS: undefined })).broker
      const app = await listen(createServer((request, response) => response.end(`app ${request.url}`)))
      const port = await findFreePort()
      origin = `https://localhost:${port}`
      // The proxy's own address is 127.0.0.1.
      connection = { ca, localAddress: '127.0.0.2' }
      const places = [
        [address[0], address[1](port)],
        [/\/etc\/ssl\/certs\/\S+\.pem|\/run\/secrets\/tls_certificate/g, certificate],
        [/\/etc\/ssl\/private\/[^\s;]+\.key|\/run\/secrets\/tls_key/g, key],
        [/\b(127\.0\.0\.1|broker):3000\b/g, `127.0.0.1:${broker.port}`],
        [/\b(127\.0\.0\.1|app):8080\b/g, new URL(app).host],
      ] as const
      await start(fill(read(file), places).replaceAll('app.example.com', 'localhost'), port)
    })

    const ask = (path: string, method = 'GET', headers: Record<string, string> = {}) =>
      send(origin + path, { method, headers: { host: new URL(origin).host, ...headers }, connection })

    const askToken = async (headers: Record<string, string> = {}) =>
      ask('/widgets/widget-token', 'POST', {
        origin,
        authorization: `Bearer ${await signSession()}`,
        ...headers,
      })

    it('gives a token over TLS under the prefix', async () => {
      const { status, body } = await askToken()
      expect([status, Object.keys(JSON.parse(body))]).toEqual([200, expect.arrayContaining(['token'])])
    })

    it('sends the broker the address of the client, whatever the client claims', async () => {
      await askToken({ 'x-forwarded-for': '203.0.113.9' })
      const line = broker.logLines().findLast(({ route }) => route === '/widget-token')
      expect(line).toMatchObject({ clientIp: '127.0.0.2' })
      expect(broker.logText()).not.toContain('untrusted_proxy')
    })

    it('serves the page and the bridge', async () => {
      for (const path of ['/widgets/', '/widgets/bridge.js'])
        expect([path, (await ask(path)).status]).toEqual([path, 200])
    })

    it('leaves everything else to the app', async () => {
      expect((await ask('/me?a=1')).body).toBe('app /me?a=1')
    })
  })

describe('deploy/proxies/traefik.yaml', () => {
  const { http, tls } = parse(read('traefik.yaml'))

  it('strips the prefix on the way to the broker', () => {
    const { rule, middlewares, service } = http.routers.widgets
    expect(rule).toBe('Host(`app.example.com`) && PathPrefix(`/widgets/`)')
    expect(middlewares.map((name: string) => http.middlewares[name])).toEqual([
      { stripPrefix: { prefixes: ['/widgets'] } },
    ])
    expect(http.services[service].loadBalancer.servers).toEqual([{ url: 'http://127.0.0.1:3000' }])
  })

  it('names only services, transports and certificates that it defines', () => {
    for (const { service, tls: own, entryPoints } of Object.values<Record<string, unknown>>(http.routers)) {
      expect(Object.keys(http.services)).toContain(service)
      expect([own, entryPoints]).toEqual([{}, ['websecure']])
    }
    const { serversTransport } = http.services['token-broker'].loadBalancer
    expect(http.serversTransports[serversTransport].forwardingTimeouts.idleConnTimeout).toBe('60s')
    expect(Object.keys(tls.certificates[0])).toEqual(['certFile', 'keyFile'])
  })
})
