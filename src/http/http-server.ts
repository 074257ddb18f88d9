import type { Server } from 'node:http'
import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Express } from 'express'
import type { Logger } from '../telemetry/logger.ts'
import { problemDocument } from '../problems.ts'
import { maxHeaders } from './framing.ts'
import { messagesOf } from './messages.ts'
import { createServer, STATUS_CODES } from './node-http.ts'
import { limitPipelining } from './pipelining.ts'

/**
 * The time that a client has, in milliseconds: for its headers, for the whole request, and how late we may
 * notice.
 */
const patience = { headersTimeout: 10_000, requestTimeout: 15_000, connectionsCheckingInterval: 1_000 }

/**
 * Creates the HTTP server with every limit explicit. By default Node looks for slow clients only every 30 s,
 * and the interval can be set only here. Without it, the other timeouts are not kept (against
 * CVE-2018-12122).
 */
export function createHttpServer(app: Express, logger: Logger, slowClient = patience): Server {
  const server = createServer(
    {
      ...messagesOf(app),
      ...slowClient,
      // Longer than the idle time of load balancers (60 s), which would otherwise reuse a connection that we
      // just closed.
      keepAliveTimeout: 65_000,
      maxHeaderSize: 16_384,
      insecureHTTPParser: false,
      // The app refuses a missing Host itself, with a problem document and a line in the log.
      requireHostHeader: false,
    },
    limitPipelining(app, (socket) => logCut(socket, logger)),
  )
  server.maxConnections = 20_000
  server.maxRequestsPerSocket = 10_000
  // Node 20 silently drops further headers, a second Host among them. The app refuses a request that reaches
  // this number.
  server.maxHeadersCount = maxHeaders
  // Longer than the longest deadlines of session and vendor together.
  server.timeout = 130_000
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // Bytes after the last request of a connection. Its answer is still in progress and closes the
    // connection.
    if (error.code === 'HPE_CLOSED_CONNECTION') return
    // An answer that the app has just written goes first, and may be the last of the connection.
    setImmediate(refuse, error, socket as Socket, logger)
  })
  server.on('checkExpectation', (request, response) => {
    const { body, headers } = refusalOf(417, 'unknown_expectation', request.socket, logger)
    response.writeHead(417, headers).end(body)
  })
  return server
}

/**
 * Answers and logs what the parser refuses, which never reaches the app. Echoes nothing and closes the
 * connection.
 */
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

/** Logs a request that never reaches the app, and returns its answer, the last of its connection. */
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
