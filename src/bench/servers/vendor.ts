import { createServer } from 'node:http'

// The vendor's stand-in: as cheap as it can be, with one token for all, after DELAY_MS.

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const claims = { community: 'bench', exp: Math.floor(Date.now() / 1000) + 7200, scope: 'x'.repeat(120) }
const token = [encode({ alg: 'HS256', typ: 'JWT' }), encode(claims), 'a'.repeat(43)].join('.')
const body = JSON.stringify({ token })
const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }
const delayMs = Number(process.env.DELAY_MS ?? 0)

const server = createServer((request, response) => {
  request.resume()
  const answer = () => response.writeHead(200, headers).end(body)
  if (delayMs === 0) answer()
  else setTimeout(answer, delayMs)
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1')
