import { createServer, type Socket } from 'node:net'
import { listen, portOf } from './listen.ts'

/**
 * A stand-in for a Redis that answers every command with this reply (RESP): for the errors of clusters and of other
 * states that a single server never has.
 */
export async function startRespServer(reply: string): Promise<string> {
  const server = createServer((socket: Socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      // Each command is a list of strings: `*2\r\n$3\r\nGET\r\n…`.
      const { length } = chunk.toString('latin1').match(/\*\d+\r\n\$/g) ?? []
      socket.write(`${reply}\r\n`.repeat(length))
    })
  })
  await listen(server)
  return `redis://127.0.0.1:${portOf(server)}`
}
