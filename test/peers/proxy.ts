import { createServer } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { atEnd } from './clean-up.ts'
import { listen, portOf } from './listen.ts'

/** A forward proxy that opens tunnels for one user, and records who asked for which. */
export async function startProxy({ user = 'broker', password = 'proxy-secret-1' } = {}) {
  const tunnels: string[] = []
  const sockets = new Set<Duplex>()
  const expected = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  const server = createServer((_request, response) => void response.writeHead(405).end())

  server.on('connect', ({ url = '', headers }, client: Duplex) => {
    sockets.add(client)
    client.on('error', () => undefined)
    if (headers['proxy-authorization'] !== expected) {
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
      return
    }
    tunnels.push(url)
    const [host = '', port] = url.split(':')
    const vendor = connect(Number(port), host === 'localhost' ? '127.0.0.1' : host)
    sockets.add(vendor.on('error', () => client.destroy()))
    vendor.once('connect', () => client.write('HTTP/1.1 200 Connection established\r\n\r\n'))
    vendor.pipe(client).pipe(vendor)
  })
  await listen(server)
  atEnd(() => {
    for (const socket of sockets) socket.destroy()
  })
  return { url: `http://${user}:${password}@127.0.0.1:${portOf(server)}`, tunnels }
}
