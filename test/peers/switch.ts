import { connect, createServer, type Socket } from 'node:net'
import { atEnd } from './clean-up.ts'
import { listen, portOf } from './listen.ts'

/** An address that forwards each connection to the current port, like a service name during a failover. */
export async function startSwitch(port: number) {
  const sockets = new Set<Socket>()
  const target = { port }
  const server = createServer((socket) => {
    const upstream = connect(target.port, '127.0.0.1')
    for (const end of [socket, upstream]) sockets.add(end.on('error', () => undefined))
    socket.pipe(upstream).pipe(socket)
  })
  await listen(server)
  atEnd(() => {
    for (const socket of sockets) socket.destroy()
  })
  return { url: `redis://127.0.0.1:${portOf(server)}`, target }
}
