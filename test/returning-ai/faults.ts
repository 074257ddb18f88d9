import { gzipSync } from 'node:zlib'
import type { Socket } from 'node:net'
import { httpAnswer, type Act } from '../peers/raw.ts'

/** A fault of the vendor, and what becomes of it. */
export interface Row {
  fault: string
  act: Act
  code: string
  outcome: string
  /** How many requests the vendor sees; 1 unless the fault is one that may pass. */
  requests?: number
  retryAfter?: string
  env?: Record<string, string>
}

const json = (body: unknown, headers = {}): Act => answer(200, JSON.stringify(body), headers)
const cut = (socket: Socket, text: string) => socket.end(text)
const hasty = { VENDOR_TIMEOUT_MS: '300' }
const bad = 'vendor_bad_response'
const down = 'vendor_unavailable'

export function answer(status: number, body = '', headers: Record<string, string> = {}): Act {
  return (socket) => socket.write(httpAnswer(status, body, headers))
}

function drip(head: string): Act {
  return (socket) => {
    socket.write(head)
    const timer = setInterval(() => socket.write(' '), 20)
    socket.once('close', () => clearInterval(timer))
  }
}

function pour(head: string, chunk: Buffer | string): Act {
  return (socket) => {
    const more = () => {
      while (!socket.destroyed && socket.write(chunk));
    }
    socket.on('drain', more)
    socket.write(head)
    more()
  }
}

const endless = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n'
const bomb = gzipSync(Buffer.alloc(1024 * 1024)).toString('latin1')

const passing: Row[] = [
  { fault: 'closes before it answers', act: (socket) => void socket.end(), code: down, outcome: 'reset' },
  {
    fault: 'resets before it answers',
    act: (socket) => void socket.resetAndDestroy(),
    code: down,
    outcome: 'reset',
  },
  {
    fault: 'resets in the middle of the body',
    act: (socket) =>
      void socket.write(httpAnswer(200, '{', { 'content-length': '9' }), () => socket.resetAndDestroy()),
    code: down,
    // Node 20 does not always distinguish this reset from an end.
    outcome: 'reset_body|truncated',
  },
  {
    fault: 'ends before its Content-Length',
    act: (socket) => void cut(socket, httpAnswer(200, '{"token":"abc', { 'content-length': '999' })),
    code: down,
    outcome: 'truncated',
  },
  {
    fault: 'ends before its last chunk',
    act: (socket) => void cut(socket, `${endless}5\r\n{"tok`),
    code: down,
    outcome: 'truncated',
  },
  { fault: 'answers 500', act: answer(500), code: down, outcome: 'vendor_5xx' },
  {
    fault: 'answers 502 with a page',
    act: answer(502, '<html>', { 'content-type': 'text/html' }),
    code: down,
    outcome: 'vendor_5xx',
  },
  { fault: 'answers 503', act: answer(503), code: down, outcome: 'vendor_5xx' },
]

const lasting: Row[] = [
  {
    fault: 'never answers',
    act: () => undefined,
    code: 'vendor_timeout',
    outcome: 'timeout_headers',
    env: hasty,
  },
  {
    fault: 'drips its headers',
    act: drip('HTTP/1.1 200 OK\r\nx: '),
    code: 'vendor_timeout',
    outcome: 'timeout_headers',
    env: hasty,
  },
  {
    fault: 'drips its body',
    act: drip(httpAnswer(200, '', { 'content-length': '999' })),
    code: 'vendor_timeout',
    outcome: 'timeout_body',
    env: hasty,
  },
  {
    fault: 'ends a body without length early',
    act: (socket) => void cut(socket, 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{"tok'),
    code: bad,
    outcome: 'invalid_json',
  },
  { fault: 'answers with broken JSON', act: answer(200, '{"token":'), code: bad, outcome: 'invalid_json' },
  { fault: 'answers 200 with nothing', act: answer(200), code: bad, outcome: 'invalid_json' },
  {
    fault: 'answers 204',
    act: (socket) => void socket.write('HTTP/1.1 204 No Content\r\n\r\n'),
    code: bad,
    outcome: 'unexpected_status',
  },
  {
    fault: 'pours an endless body',
    act: pour(endless, `4000\r\n${'x'.repeat(0x4000)}\r\n`),
    code: bad,
    outcome: 'body_too_large',
  },
  {
    fault: 'announces 9 GB',
    act: pour(httpAnswer(200, '', { 'content-length': '9000000000' }), 'x'.repeat(0x4000)),
    code: bad,
    outcome: 'body_too_large',
  },
  {
    fault: 'answers in gzip that nobody asked for',
    act: (socket) =>
      void socket.write(
        Buffer.from(
          httpAnswer(200, '', { 'content-encoding': 'gzip', 'content-length': String(bomb.length) }) + bomb,
          'latin1',
        ),
      ),
    code: bad,
    outcome: 'invalid_json',
  },
  {
    fault: 'sends 40 KB of headers',
    act: answer(200, '{}', { 'x-much': 'x'.repeat(40_000) }),
    code: bad,
    outcome: 'protocol_error',
  },
  {
    fault: 'sends a malformed header',
    act: (socket) => void socket.write('HTTP/1.1 200 OK\r\n: nameless\r\n\r\n'),
    code: bad,
    outcome: 'protocol_error',
  },
  {
    fault: 'does not speak HTTP',
    act: (socket) => void socket.write('SSH-2.0-OpenSSH_9.6\r\n\r\n'),
    code: bad,
    outcome: 'protocol_error',
  },
  {
    fault: 'answers 200 with a page',
    act: answer(200, '<html>', { 'content-type': 'text/html' }),
    code: bad,
    outcome: 'unexpected_content_type',
  },
  ...[
    {},
    { token: null },
    { token: 42 },
    { token: ['a-token-1'] },
    { token: '' },
    { token: 'has a space' },
    { token: 'a-token\r\nX: 1' },
    { token: 'x'.repeat(9000) },
    ['a-token-1'],
    'a-token-1',
    null,
  ].map((body) => ({
    fault: `answers ${JSON.stringify(body).slice(0, 40)}`,
    act: json(body),
    code: bad,
    outcome: 'invalid_shape',
  })),
  {
    fault: 'hides a token in __proto__',
    act: answer(200, '{"__proto__":{"token":"a-token-1"}}'),
    code: bad,
    outcome: 'invalid_shape',
  },
  {
    fault: 'answers 401',
    act: answer(401),
    code: 'vendor_rejected_credentials',
    outcome: 'vendor_auth_failed',
  },
  {
    fault: 'answers 403',
    act: answer(403),
    code: 'vendor_rejected_credentials',
    outcome: 'vendor_auth_failed',
  },
  { fault: 'answers 404', act: answer(404), code: 'vendor_rejected_request', outcome: 'vendor_not_found' },
  ...[400, 409, 415, 422, 431].map((status) => ({
    fault: `answers ${status}`,
    act: answer(status),
    code: 'vendor_rejected_request',
    outcome: 'vendor_4xx',
  })),
  ...[201, 206].map((status) => ({
    fault: `answers ${status} with a token`,
    act: answer(status, '{"token":"a-token-1"}'),
    code: bad,
    outcome: 'unexpected_status',
  })),
  ...[300, 304].map((status) => ({
    fault: `answers ${status}`,
    act: (socket: Socket) => void socket.end(`HTTP/1.1 ${status} Said\r\n\r\n`),
    code: bad,
    outcome: 'unexpected_redirect',
  })),
  { fault: 'answers 501', act: answer(501), code: down, outcome: 'vendor_5xx', retryAfter: '5' },
  { fault: 'answers 504', act: answer(504), code: down, outcome: 'vendor_5xx', retryAfter: '5' },
  {
    fault: 'answers 429 without a pause',
    act: answer(429),
    code: 'vendor_rate_limited',
    outcome: 'vendor_rate_limited',
    retryAfter: '10',
  },
  ...['abc', '-1', '5, 10', '1.5'].map((value) => ({
    fault: `answers 429 with the pause "${value}"`,
    act: answer(429, '', { 'retry-after': value }),
    code: 'vendor_rate_limited',
    outcome: 'vendor_rate_limited',
    retryAfter: '10',
  })),
]

/** Faults that may pass are tried twice, all others once. */
export const rows: Row[] = [...passing.map((row) => ({ ...row, requests: 2 })), ...lasting]
