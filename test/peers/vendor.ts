import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { EventEmitter, once } from 'node:events'
import { SignJWT } from 'jose'
import { listen, shut } from './listen.ts'

interface VendorRequest {
  method: string
  url: string
  headers: IncomingHttpHeaders
  rawHeaders: string[]
  body: string
}

export type VendorAnswer = (response: ServerResponse, request: VendorRequest) => void | Promise<void>

const secret = new TextEncoder().encode('the stand-in signs its widget tokens with this')
let minted = 0

/** A token as the vendor issues it: always a different one, valid for five minutes by default. */
export function mintVendorToken(email: string, lifeSeconds = 300): Promise<string> {
  minted += 1
  return new SignJWT({ email, jti: String(minted) })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setExpirationTime(Math.floor(Date.now() / 1000) + lifeSeconds)
    .sign(secret)
}

const giveToken: VendorAnswer = async (response, { headers }) => {
  const token = await mintVendorToken(String(headers.email))
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ token }))
}

/** The wire of the vendor: records every request, and answers with a token unless a test sets another answer. */
export async function startVendor() {
  const requests: VendorRequest[] = []
  const vendor = { answer: giveToken }
  async function receive(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk)
    const { method = '', url = '', headers, rawHeaders } = incoming
    const request = { method, url, headers, rawHeaders, body: Buffer.concat(chunks).toString() }
    requests.push(request)
    await vendor.answer(response, request)
  }

  const server = createServer((incoming, response) => void receive(incoming, response))
  return {
    url: await listen(server),
    server,
    requests,
    giveToken,
    /** Answers from now on by this; without an argument, with tokens again. */
    answerWith(answer: VendorAnswer = giveToken) {
      vendor.answer = answer
    },
    /** Keeps answers back until `release`; `asked` resolves as soon as somebody waits for one. */
    hold() {
      const gate = new EventEmitter()
      const asked = once(gate, 'asked')
      vendor.answer = async (response, request) => {
        gate.emit('asked')
        await once(gate, 'release')
        await giveToken(response, request)
      }
      return { asked, release: () => gate.emit('release') }
    },
    close: () => shut(server),
  }
}

export type Vendor = Awaited<ReturnType<typeof startVendor>>
