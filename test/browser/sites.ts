import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Received {
  method: string
  path: string
  headers: IncomingHttpHeaders
  /** Milliseconds on the test's own monotonic clock. */
  at: number
  /** The caller went away before it had the whole answer. */
  givenUp: boolean
}

export interface Site {
  origin: string
  /** What came in, oldest first. */
  requests: Received[]
  server: Server
  close(): Promise<void>
}

/**
 * Serves `listener` on a free port as `http://<name>:<port>`. Browsers resolve a name below `.localhost` to this machine
 * without a flag, take it for a secure context, and each name directly below for a site of its own.
 */
export async function startSite(name: string, listener: RequestListener): Promise<Site> {
  const requests: Received[] = []
  const server = createServer((request, response) => {
    const { method = '', url = '', headers } = request
    const received = { method, path: url, headers, at: performance.now(), givenUp: false }
    requests.push(received)
    response.on('close', () => (received.givenUp = !response.writableFinished))
    listener(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const close = async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  return { origin: `http://${name}:${port}`, requests, server, close }
}
