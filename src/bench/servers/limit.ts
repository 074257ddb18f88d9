import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Pool } from 'undici'
import { createSessionCheck } from '../session.ts'

// As little as can be between a session and a token: node:http, an undici pool and the session check.

const pool = new Pool(process.env.VENDOR_URL!, { connections: 128 })
const checkSession = await createSessionCheck()
const path = '/widget/bench/signin'

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  request.resume()
  const email = await checkSession(request.headers.authorization)
  const headers = { 'returningai-api-key': 'bench-key', email, 'content-type': 'application/json' }
  const signin = await pool.request({ path, method: 'POST', headers })
  const { token } = (await signin.body.json()) as { token: string }
  const body = JSON.stringify({ token })
  const size = Buffer.byteLength(body)
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': size }).end(body)
}

const server = createServer((request, response) => void answer(request, response))
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1')
