import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { validEnvironment } from '../peers/broker.ts'

/** The vendor under load: as cheap as possible. It counts its requests in progress, and can hang. */
export interface Vendor {
  url: string
  delayMs: () => number
  hangs: boolean
  /** The key that it takes now. */
  key: string
  requests: number
  /** Requests in progress, now and at most. */
  open: number
  mostOpen: number
  /** Connections, at most. */
  mostConnections: number
}

/** Serves until the end of the test. */
export async function startVendor(delayMs = () => 0): Promise<Vendor> {
  const counts = { requests: 0, open: 0, mostOpen: 0, mostConnections: 0 }
  const vendor = { ...counts, url: '', delayMs, hangs: false, key: validEnvironment.WIDGET_API_KEY }

  function receive(request: IncomingMessage, response: ServerResponse): void {
    vendor.requests += 1
    vendor.open += 1
    setImmediate(lookAtMost)
    response.once('close', () => {
      vendor.open -= 1
    })
    if (!vendor.hangs) setTimeout(() => answer(vendor, request, response), vendor.delayMs())
  }

  /** At the end of a turn, when also those are seen to be gone who went before the last one came. */
  function lookAtMost(): void {
    vendor.mostOpen = Math.max(vendor.mostOpen, vendor.open)
    vendor.mostConnections = Math.max(vendor.mostConnections, connections)
  }

  let connections = 0
  const server = createServer({ keepAliveTimeout: 60_000 }, receive)
  server.on('connection', (socket) => {
    connections += 1
    setImmediate(lookAtMost)
    socket.once('close', () => {
      connections -= 1
    })
  })
  await once(server.listen(0, '127.0.0.1', 1024), 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  vendor.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return vendor
}

function answer({ key }: Vendor, { headers }: IncomingMessage, response: ServerResponse): void {
  if (headers['returningai-api-key'] === key)
    response.end(JSON.stringify({ token: mintToken(String(headers.email)) }))
  else response.writeHead(401).end()
}

const lifeSeconds = 300
let minted = 0

/** A token with the claims that the broker reads, and a signature that nobody checks. */
export function mintToken(email: string): string {
  minted += 1
  const claims = { email, jti: minted, exp: Math.floor(Date.now() / 1000) + lifeSeconds }
  const parts = [{ alg: 'HS256', typ: 'JWT' }, claims].map((part) => toBase64url(JSON.stringify(part)))
  return [...parts, 'a'.repeat(43)].join('.')
}

/** Whose token it is, or undefined if it is not a token. */
export function holderOf(token: unknown): string | undefined {
  const [, claims] = String(token).split('.')
  return claims === undefined ? undefined : JSON.parse(Buffer.from(claims, 'base64url').toString()).email
}

function toBase64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}
