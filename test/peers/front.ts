import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { listen, shut } from './listen.ts'

interface Spoil {
  /** Changes what the proxy hands on. */
  request?: (headers: IncomingMessage['headers']) => void
  /** Changes what it hands back; may also end the answer itself. */
  response?: (response: ServerResponse, path: string) => void
}

/** A reverse proxy in front of the broker that gets one thing wrong. */
export async function openFront(target: string, spoil: Spoil) {
  const server = createServer((incoming, response) => {
    const headers = { ...incoming.headers }
    spoil.request?.(headers)
    spoil.response?.(response, incoming.url ?? '')
    if (response.writableEnded) return
    const { method, url = '' } = incoming
    const outgoing = httpRequest(new URL(url, target), { method, headers, agent: false }, (answer) => {
      for (const [name, value] of Object.entries(answer.headers)) response.appendHeader(name, value ?? '')
      response.writeHead(answer.statusCode ?? 500)
      answer.pipe(response)
    })
    incoming.pipe(outgoing)
  })
  return { url: await listen(server), close: () => shut(server) }
}
