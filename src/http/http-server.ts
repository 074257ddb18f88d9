import { createServer, STATUS_CODES, type Server } from 'node:http'
import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Express } from 'express'
import type { Logger } from '../telemetry/logger.ts'
import { problemDocument } from '../problems.ts'
import { maxHeaders } from './framing.ts'
import { messagesOf } from './messages.ts'
import { limitPipelining } from './pipelining.ts'

/** What a slow client gets, in milliseconds: for its headers, for the whole request, and how late we may notice. */
const patience = { headersTimeout: 10_000, requestTimeout: 15_000, connectionsCheckingInterval: 1_000 }

/**
 * Makes the HTTP server with every limit explicit. Node looks for slow clients only every 30 s by default, and the
 * setting exists only here: without it the other timeouts are not kept (CVE-2018-12122 is what they are against).
 */
export function createHttpServer(app: Express, logger: Logger, slowClient = patience): Server {
  const server = createServer(
    {
      ...messagesOf(app),
      ...slowClient,
      // Longer than the idle time of the load balancers in front (60 s), or they reuse what we just closed.
      keepAliveTimeout: 65_000,
      maxHeaderSize: 16_384,
      insecureHTTPParser: false,
      // The app refuses a missing Host itself, by a problem document and with a line in the log.
      requireHostHeader: false,
    },
    limitPipelining(app, (socket) => logCut(socket, logger)),
  )
  server.maxConnections = 20_000
  server.maxRequestsPerSocket = 10_000
  // Node 20 drops the ones behind it unseen, a second Host among them: the app refuses who has so many.
  server.maxHeadersCount = maxHeaders
  // Nothing read and nothing written for longer than the longest deadlines, of session and vendor, together allow.
  server.timeout = 130_000
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // Bytes behind the last request of a connection: that one is still being answered, which closes it.
    if (error.code === 'HPE_CLOSED_CONNECTION') return
    // An answer that the app has just given leaves first, and may be the last of the connection.
    setImmediate(refuse, error, socket as Socket, logger)
  })
  server.on('checkExpectation', (request, response) => {
    const { body, headers } = refusalOf(417, 'unknown_expectation', request.socket, logger)
    response.writeHead(417, headers).end(body)
  })
  return server
}

/** What the parser refuses never reaches the app, so it is answered and logged here: minimal, without echo, and cut. */
function refuse({ code }: NodeJS.ErrnoException, socket: Socket, logger: Logger): void {
  if (!socket.writable || code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const status = parserStatus(code)
  const { body, headers } = refusalOf(status, code, socket, logger)
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`, () =>
    socket.destroy(),
  )
}

function logCut({ remoteAddress }: Socket, logger: Logger): void {
  logger.info({ event: 'connection_cut', outcome: 'too_many_pipelined', clientIp: remoteAddress })
}

/** The answer to what never reaches the app, once it is in the log: the last of its connection. */
function refusalOf(status: number, outcome: string | undefined, socket: Socket, logger: Logger) {
  const requestId = randomUUID()
  const clientIp = socket.remoteAddress
  const body = problemDocument('bad_request', requestId, status)
  logger.info({ event: 'request_unreadable', requestId, status, code: 'bad_request', outcome, clientIp })
  const headers = {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    vary: 'Origin',
    'x-request-id': requestId,
    connection: 'close',
  }
  return { body, headers }
}

function parserStatus(code: string | undefined): number {
  if (code === 'HPE_HEADER_OVERFLOW') return 431
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 408
  return code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW' ? 413 : 400
}
