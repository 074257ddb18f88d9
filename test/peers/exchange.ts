import { once } from 'node:events'
import { request, type IncomingHttpHeaders } from 'node:http'
import { request as requestByTls, type RequestOptions } from 'node:https'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

export interface Question {
  method?: string
  path?: string
  /** By name, or as pairs where their order or their case matters. */
  headers?: Record<string, string | string[]> | HeaderLines
  body?: string | Buffer
  /** The authority to trust, the address to come from. */
  connection?: Pick<RequestOptions, 'ca' | 'localAddress'>
}

export type HeaderLines = readonly (readonly [name: string, value: string])[]

/**
 * One request to a port of the loopback or to a URL there, on a connection of its own, with exactly this path and
 * these headers: `fetch` adds some, forbids others, and cleans the path.
 */
export async function send(
  to: number | string,
  { method = 'GET', path, headers = {}, body, connection }: Question = {},
): Promise<Answer> {
  const url = new URL(typeof to === 'number' ? `http://127.0.0.1:${to}` : to)
  const { protocol, hostname, port, pathname, search } = url
  const lines = isList(headers) ? completeLines(headers, port) : headers
  const target = { host: '127.0.0.1', port, path: path ?? pathname + search }
  const options = { ...target, ...connection, method, headers: lines, agent: false }
  const outgoing =
    protocol === 'https:' ? requestByTls({ ...options, servername: hostname }) : request(options)
  const answered = once(outgoing, 'response')
  outgoing.end(body)
  const [incoming] = await answered
  return { status: incoming.statusCode, headers: incoming.headers, body: await text(incoming) }
}

const isList = (headers: object): headers is HeaderLines => Array.isArray(headers)

/** Node adds nothing to a list of header lines. */
function completeLines(lines: HeaderLines, port: string): string[] {
  const host = lines.some(([name]) => name === 'Host') ? [] : ['Host', `127.0.0.1:${port}`]
  return [...host, 'Content-Length', '0', ...lines.flat()]
}

/** Sends bytes as they are, and resolves to every answer until the server closes the connection. */
export async function sendBytes(port: number, bytes: string | Buffer): Promise<Answer[]> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(bytes)
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  await new Promise((resolve) => socket.once('close', resolve))
  return parseAnswers(Buffer.concat(chunks).toString('latin1'))
}

/**
 * Reads what a server sent as a sequence of HTTP/1.1 answers; throws for anything else. `loose`: a body may be
 * missing, as in an answer to HEAD.
 */
export function parseAnswers(sent: string, loose = false): Answer[] {
  const answers: Answer[] = []
  for (let rest = sent; rest !== '';) {
    const head = /^HTTP\/1\.[01] (\d{3}) [^\r\n]*\r\n((?:[!#$%&'*+.^_`|~\w-]+: [^\r\n]*\r\n)*)\r\n/.exec(rest)
    if (head === null) throw new Error(`no HTTP answer: ${JSON.stringify(rest.slice(0, 200))}`)
    const lines = head[2]!.split('\r\n').filter((line) => line !== '')
    const headers: IncomingHttpHeaders = Object.fromEntries(lines.map(splitHeader))
    const bodiless = loose && rest.startsWith('HTTP/1.', head[0].length)
    const end = head[0].length + (bodiless ? 0 : Number(headers['content-length'] ?? 0))
    answers.push({ status: Number(head[1]), headers, body: rest.slice(head[0].length, end) })
    rest = rest.slice(end)
  }
  return answers
}

function splitHeader(line: string): [string, string] {
  const colon = line.indexOf(':')
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 2)]
}
