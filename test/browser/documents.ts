import { EventEmitter, once } from 'node:events'
import type { IncomingMessage, Server } from 'node:http'
import { WebSocketServer, type WebSocket } from 'ws'
import { expressionOf, type Work } from './engines/engine.ts'

/** A document that `CONNECT` has connected: a widget's, at any depth of a tab, or a popup's. */
export interface RemoteDocument {
  /** The tab that it is in, or that opened it. */
  tab: string
  url: URL
  gone: Promise<unknown>
  evaluate<Output>(work: Work<void, Output>): Promise<Output>
  evaluate<Input, Output>(work: Work<Input, Output>, input: Input): Promise<Output>
}

/** Follows the documents that connect to a server: the list has those that are there now. */
export function followDocuments(server: Server, documents: Set<RemoteDocument>): void {
  new WebSocketServer({ server }).on('connection', (socket: WebSocket, { url }: IncomingMessage) => {
    const query = new URL(url ?? '', 'http://localhost').searchParams
    const document: RemoteDocument = {
      tab: query.get('tab') ?? '',
      url: new URL(query.get('url') ?? ''),
      gone: once(socket, 'close'),
      evaluate: evaluateBy(socket),
    }
    documents.add(document)
    socket.on('close', () => documents.delete(document))
  })
}

function evaluateBy(socket: WebSocket): RemoteDocument['evaluate'] {
  const answers = new EventEmitter()
  let last = 0
  socket.on('message', (message: Buffer) => {
    const { id, ...answer } = JSON.parse(message.toString())
    answers.emit(id, answer)
  })
  socket.on('close', () => answers.emit('error', new Error('the document is gone')))
  answers.on('error', () => {})
  return async (work: Work<never, unknown>, input?: unknown) => {
    if (socket.readyState !== socket.OPEN) throw new Error('the document is gone')
    const id = String(++last)
    const answered = once(answers, id)
    socket.send(JSON.stringify({ id, expression: expressionOf(work, input as never) }))
    const [{ value, error }] = await answered
    if (error !== undefined) throw new Error(error)
    return value
  }
}
