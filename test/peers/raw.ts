import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { atEnd } from './clean-up.ts'
import { listen, portOf } from './listen.ts'

/** What happens to a request whose head has arrived. `nth` counts from 1. */
export type Act = (socket: Socket, nth: number) => void

export const vendorToken = 'token.from-the.raw-stand-in'

/** An HTTP/1.1 answer as bytes; its length is right unless the headers say otherwise. */
export function httpAnswer(status: number, body = '', headers: Record<string, string> = {}): string {
  const lines = {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...headers,
  }
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} Said\r\n${head.join('')}\r\n${body}`
}

export const giveToken: Act = (socket) =>
  socket.write(httpAnswer(200, JSON.stringify({ token: vendorToken })))

/** The vendor below HTTP: a socket server that records what arrives and does to it whatever a test wants. */
export async function startRawVendor(act: Act = giveToken, tls?: TlsOptions) {
  const open = new Set<Socket>()
  const vendor = { act, requests: [] as string[], connections: 0, secured: 0, mostOpen: 0 }

  function receive(socket: Socket): void {
    let head = ''
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      head += chunk.toString('latin1')
      if (!head.endsWith('\r\n\r\n')) return
      vendor.requests.push(head)
      head = ''
      vendor.act(socket, vendor.requests.length)
    })
  }

  function hangUp(): void {
    for (const socket of open) socket.destroy()
  }

  const server: Server = tls === undefined ? createServer(receive) : createTlsServer(tls, receive)
  server.on('connection', (socket: Socket) => {
    vendor.connections += 1
    open.add(socket)
    vendor.mostOpen = Math.max(vendor.mostOpen, open.size)
    socket.once('close', () => open.delete(socket))
  })
  server.on('tlsClientError', () => undefined)
  server.on('secureConnection', () => {
    vendor.secured += 1
  })
  await listen(server)
  const port = portOf(server)
  return Object.assign(vendor, {
    server,
    port,
    url: `${tls === undefined ? 'http' : 'https'}://${tls === undefined ? '127.0.0.1' : 'localhost'}:${port}`,
    openSockets: () => open.size,
    hangUp,
    close: atEnd(() => {
      hangUp()
      server.close()
    }),
  })
}

export type RawVendor = Awaited<ReturnType<typeof startRawVendor>>
