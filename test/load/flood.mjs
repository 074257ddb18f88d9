import { Agent, request } from 'node:http'
import { randomUUID } from 'node:crypto'

// A process of its own, so that the flood takes no time from the client that is measured: 500 requests a second with
// cookies of nobody, from one address, while the last line on stdin is `on`.

const [url = '', address = ''] = process.argv.slice(2)
const perSecond = 500
const agent = new Agent({ keepAlive: true, maxSockets: 512 })
let on = false
let sent = 0
let since = 0

function send() {
  const headers = {
    cookie: `sid=${randomUUID()}`,
    origin: 'https://app.example.com',
    'x-forwarded-for': address,
  }
  const asked = request(url, { method: 'POST', agent, headers }, (answer) => answer.resume())
  asked.on('error', () => undefined)
  asked.end()
}

process.stdin.on('data', (line) => {
  on = String(line).trim() === 'on'
  sent = 0
  since = performance.now()
})
process.stdin.on('end', () => process.exit(0))

setInterval(() => {
  const due = on ? (perSecond * (performance.now() - since)) / 1000 : 0
  for (; sent < due; sent += 1) send()
}, 10)
