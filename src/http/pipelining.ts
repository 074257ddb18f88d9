import type { RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Answers of one connection that may be open at once: hardly anybody pipelines, and Node hands over a whole packet of requests. */
const maxOpen = 16

/** By connection, the answers that may still be open, the oldest first. */
const answers = new WeakMap<Socket, ServerResponse[]>()

/**
 * Cuts a connection that asks for more before its answers are out, and tells who it was: unread answers would fill the memory
 * (RFC 9112 §9.3.2 lets a server bound pipelining). At the end of a connection, each open answer hears `close`, which Node 20 tells the first alone.
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
