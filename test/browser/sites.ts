import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Received {
  method: string
  path: string
  headers: IncomingHttpHeaders
  /** Milliseconds on the test's own monotonic clock. */
  at: number
}

export interface Site {
  origin: string
  /** What came in, oldest first. */
  requests: Received[]
  close(): Promise<void>
}

/** Serves `listener` on a free port as `http://<name>:<port>`, a name that the tests' Chromium maps to loopback. */
export async function startSite(name: string, listener: RequestListener): Promise<Site> {
  const requests: Received[] = []
  const server = createServer((request, response) => {
    const { method = '', url = '', headers } = request
    requests.push({ method, path: url, headers, at: performance.now() })
    listener(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const close = async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  return { origin: `http://${name}:${port}`, requests, close }
}
