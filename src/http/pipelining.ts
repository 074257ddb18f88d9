import type { RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * How many answers of one connection may be open at once. Few clients pipeline, and Node passes on a whole
 * packet of requests.
 */
const maxOpen = 16

/** By connection, the answers that may still be open, the oldest first. */
const answers = new WeakMap<Socket, ServerResponse[]>()

/**
 * Closes a connection that sends more requests before its answers are sent, and reports it: unread answers
 * would fill the memory (RFC 9112 §9.3.2 lets a server limit pipelining). When a connection ends, every open
 * answer emits `close`; on Node 20 only the first would.
 */
export function limitPipelining(serve: RequestListener, tellCut: (socket: Socket) => void): RequestListener {
  return function serveWithinLimit(request, response) {
    const { socket } = request
    if (socket.destroyed) return
    const open = answers.get(socket) ?? startConnection(socket)
    while (open[0]?.closed) open.shift()
    if (open.push(response) <= maxOpen) {
      serve(request, response)
      return
    }
    tellCut(socket)
    socket.destroy()
  }
}

function startConnection(socket: Socket): ServerResponse[] {
  const open: ServerResponse[] = []
  answers.set(socket, open)
  socket.once('close', () => setImmediate(closeAll, open))
  return open
}

function closeAll(open: ServerResponse[]): void {
  for (const response of open) if (!response.closed) response.emit('close')
}
