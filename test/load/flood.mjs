import { randomUUID } from 'node:crypto'
import { Agent, request } from 'node:http'

// A process of its own, so that the flood takes no time from the client that is measured: 500 requests a second
// from one address, while the last line on stdin is `cookies` (random ones) or `bare` (no credential at all).

const [url = '', address = ''] = process.argv.slice(2)
const perSecond = 500
const agent = new Agent({ keepAlive: true, maxSockets: 512 })
let state = 'off'
let sent = 0
let since = 0

function send() {
  const page = { origin: 'https://app.example.com', 'x-forwarded-for': address }
  const headers = state === 'cookies' ? { ...page, cookie: `sid=${randomUUID()}` } : page
  const asked = request(url, { method: 'POST', agent, headers }, (answer) => answer.resume())
  asked.on('error', () => undefined)
  asked.end()
}

process.stdin.on('data', (line) => {
  state = String(line).trim()
  sent = 0
  since = performance.now()
})
process.stdin.on('end', () => process.exit(0))

setInterval(() => {
  const due = state === 'off' ? 0 : (perSecond * (performance.now() - since)) / 1000
  for (; sent < due; sent += 1) send()
}, 10)
