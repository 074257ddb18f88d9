import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { olderScripts, version } from '../../src/routes/page.ts'
import { startBroker, type RunningBroker } from '../peers/broker.ts'

let broker: RunningBroker
beforeAll(async () => {
  broker = await startBroker()
})
afterAll(() => broker.close())

/** `fetch` would decompress, and asks for its own encodings. */
async function get(path: string, headers: Record<string, string> = {}, method = 'GET') {
  const { request } = await import('node:http')
  return new Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }>((resolve) => {
    request({ port: broker.port, host: '127.0.0.1', path, headers, method }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
        }),
      )
    }).end()
  })
}

const paths = [
  '/',
  '/page.js',
  '/page.css',
  '/config.json',
  '/bridge.js',
  `/bridge-${version}.js`,
  '/embed.js',
  `/embed-${version}.js`,
]

describe('A file of the page', () => {
  it.each(paths)('has the same content in every encoding: %s', async (path) => {
    const plain = await get(path)
    const gzip = await get(path, { 'accept-encoding': 'gzip, deflate' })
    const br = await get(path, { 'accept-encoding': 'gzip, deflate, br, zstd' })
    expect([plain, gzip, br].map(({ headers }) => headers['content-encoding'])).toEqual([
      undefined,
      'gzip',
      'br',
    ])
    expect(gunzipSync(gzip.body).equals(plain.body)).toBe(true)
    expect(brotliDecompressSync(br.body).equals(plain.body)).toBe(true)
    for (const { headers, body } of [plain, gzip, br]) {
      expect(headers).toMatchObject({ vary: 'Accept-Encoding', 'content-length': String(body.length) })
    }
    expect(new Set([plain, gzip, br].map(({ headers }) => headers.etag)).size).toBe(3)
  })

  it('is not sent in an encoding that the client refuses by a weight of zero', async () => {
    const { headers } = await get('/bridge.js', { 'accept-encoding': 'br;q=0, gzip;q=0.0, identity' })
    expect(headers['content-encoding']).toBeUndefined()
  })

  it('is not sent again to a client that has it in this encoding', async () => {
    const accept = { 'accept-encoding': 'br' }
    const { headers } = await get('/bridge.js', accept)
    const again = await get('/bridge.js', { ...accept, 'if-none-match': String(headers.etag) })
    expect(again).toMatchObject({ status: 304, headers: { etag: headers.etag, vary: 'Accept-Encoding' } })
    expect(again.body).toHaveLength(0)
  })

  it('has its compressed length in the answer to a HEAD request', async () => {
    const { headers, body } = await get('/bridge.js', { 'accept-encoding': 'br' }, 'HEAD')
    expect(body).toHaveLength(0)
    const { body: whole } = await get('/bridge.js', { 'accept-encoding': 'br' })
    expect(headers['content-length']).toBe(String(whole.length))
  })
})

describe('A script under the name of its version', () => {
  it.each(['bridge', 'embed'])('has the bytes of the current one and never changes: %s', async (name) => {
    const current = await get(`/${name}.js`)
    const pinned = await get(`/${name}-${version}.js`)
    expect(pinned.body.equals(current.body)).toBe(true)
    expect(pinned.headers).toMatchObject({
      'cache-control': 'public, max-age=31536000, immutable',
      'access-control-allow-origin': '*',
      'cross-origin-resource-policy': 'cross-origin',
    })
  })

  it('stays served if it is an older one in public/, unless it was withdrawn', () => {
    const older = ['bridge-2.0.1.js', 'embed-2.1.0.js']
    const others = [
      'bridge.js',
      'bridge.js.gz',
      `bridge-${version}.js`,
      'bridge-1.0.0.js',
      'bridge-2.0.1.js.br',
      'page.js',
    ]
    expect(olderScripts([...older, ...others])).toEqual(older)
  })
})

describe('A version of the bridge that a security fix replaced', () => {
  it('is 404, and the log says why', async () => {
    expect(await get('/bridge-1.0.0.js')).toMatchObject({ status: 404 })
    expect(broker.logLines().at(-1)).toMatchObject({ status: 404, outcome: 'version_withdrawn' })
  })
})
