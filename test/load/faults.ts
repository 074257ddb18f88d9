import { readdirSync, readlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { send } from '../peers/exchange.ts'
import { findFreePort } from '../peers/binary.ts'
import { httpAnswer, startRawVendor, type Act, type RawVendor } from '../peers/raw.ts'
import { rows as matrix } from '../returning-ai/faults.ts'
import { createClient, createUsers, type Client, type User } from './client.ts'
import { startReplica, type Replica } from './replica.ts'
import type { Row } from './row.ts'
import { mintToken } from './vendor.ts'

const requests = 10_000
const atOnce = 50
const settleMs = 3_000
const maxHeapGrowth = 1.1

/** What a broker process holds on to. */
interface Holdings {
  sockets: number
  handles: number
  timers: number
  heapMb: number
}

export const mixedFaults: Row = {
  name: '10,000 requests of mixed faults: the vendor’s whole matrix, callers who leave or send rubbish',
  goal: 'sockets, handles, timers and heap back at the baseline; the next request succeeds',
  async run() {
    const vendor = await startRawVendor()
    onTestFinished(() => vendor.close())
    const site = await startSite(vendor)
    await site.trouble(requests / 10)
    const before = await site.settle()
    const outcomes = await site.trouble(requests)
    const after = await site.settle()
    const next = await site.askWell()
    return {
      seen: `${describe(before)} before, ${describe(after)} after; ${outcomes} kinds of outcome; then ${next}`,
      reached:
        after.sockets <= before.sockets &&
        after.handles <= before.handles &&
        after.timers <= before.timers &&
        after.heapMb <= before.heapMb * maxHeapGrowth &&
        next === 'token',
    }
  },
}

async function startSite(vendor: RawVendor) {
  const adminPort = await findFreePort()
  const environment = {
    WIDGET_BASE_URL: vendor.url,
    ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
    VENDOR_TIMEOUT_MS: '300',
    RATE_LIMIT_PER_MINUTE: '10000',
  }
  const replica = await startReplica(environment, collectOnSignal)
  const users = await createUsers(200)
  const giveToken = createGiveToken(vendor)
  const misbehave = createMisbehave(giveToken)
  vendor.act = giveToken

  async function trouble(count: number): Promise<number> {
    const client = createClient(replica.origin, atOnce)
    vendor.act = misbehave
    const outcomes = new Set<string>()
    let left = count
    const ask = async () => {
      while (left-- > 0) outcomes.add(await askBadly(client, users[left % users.length]!, replica.port, left))
    }
    await Promise.all(Array.from({ length: atOnce }, ask))
    await client.close()
    vendor.act = giveToken
    return outcomes.size
  }

  /** Asks until the circuit, if it is open, has closed. */
  async function askWell(): Promise<string> {
    const client = createClient(replica.origin, 1)
    let outcome = ''
    for (let left = 20; left > 0 && outcome !== 'token'; left -= 1) {
      if (outcome !== '') await sleep(500)
      outcome = (await client.ask(users[0]!, { fresh: true })).outcome
    }
    await client.close()
    return outcome
  }

  async function settle(): Promise<Holdings> {
    await askWell()
    vendor.hangUp()
    await sleep(settleMs)
    return readHoldings(replica, adminPort)
  }

  return { trouble, settle, askWell }
}

/** A full garbage collection on demand, so that only what is still referenced stays in the heap. */
const collectOnSignal = ['--expose-gc', '--import', 'data:text/javascript,process.on("SIGUSR2", () => gc())']

async function readHoldings(replica: Replica, adminPort: number): Promise<Holdings> {
  process.kill(replica.pid(), 'SIGUSR2')
  await sleep(500)
  // Before the metrics are asked for, which takes a socket of its own.
  const sockets = countSockets(replica.pid())
  const { body } = await send(adminPort, { path: '/metrics' })
  const metric = (name: string) => {
    const lines = body
      .split('\n')
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
  }
  return {
    sockets,
    handles: metric('nodejs_active_handles'),
    timers: metric('nodejs_active_resources{type="Timeout"}'),
    heapMb: metric('nodejs_heap_size_used_bytes') / 1_000_000,
  }
}

/** Of all descriptors, since Node and the metrics open files for a moment. */
function countSockets(pid: number): number {
  const directory = `/proc/${pid}/fd`
  return readdirSync(directory).filter((descriptor) => {
    try {
      return readlinkSync(`${directory}/${descriptor}`).startsWith('socket:')
    } catch {
      return false
    }
  }).length
}

function describe({ sockets, handles, timers, heapMb }: Holdings): string {
  return `${sockets} sockets, ${handles} handles, ${timers} timers, ${heapMb.toFixed(1)} MB`
}

function createGiveToken(vendor: RawVendor): Act {
  return (socket) => {
    const [, email = ''] = /^email: (.*)\r$/m.exec(vendor.requests.at(-1) ?? '') ?? []
    socket.write(httpAnswer(200, JSON.stringify({ token: mintToken(email) })))
  }
}

/** Two of three calls go well, or the open circuit would keep the faults away from the vendor. */
function createMisbehave(giveToken: Act): Act {
  return (socket, nth) => {
    const { act } = nth % 3 === 0 ? matrix[(nth / 3) % matrix.length]! : { act: giveToken }
    act(socket, nth)
  }
}

/** One in two asks for a new token as it should; the others leave, have no session, or send what is no request. */
async function askBadly(client: Client, user: User, port: number, index: number): Promise<string> {
  const bearer = { authorization: `Bearer ${user.session}`, origin: 'https://app.example.com' }
  const post = { method: 'POST', path: '/widget-token', headers: bearer }
  const rubbish = [
    () => send(port, { ...post, headers: { authorization: 'Bearer x.y.z' } }),
    () => send(port, { ...post, headers: { ...bearer, origin: 'https://evil.example' } }),
    () => send(port, { ...post, body: Buffer.alloc(4_096) }),
    () => send(port, { ...post, headers: { ...bearer, 'content-type': 'text/xml' }, body: '<x/>' }),
    () => send(port, { path: '/%00/nowhere' }),
    () => sendHalf(port, 'POST /widget-token HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{'),
    () => sendHalf(port, '\u0016\u0003\u0001 no HTTP\r\n\r\n'),
  ]
  if (index % 2 === 0) return (await client.ask(user, { fresh: true })).outcome
  if (index % 4 === 1) {
    const signal = AbortSignal.timeout(index % 20)
    return (await client.ask(user, { fresh: true, signal })).outcome
  }
  const answer = await rubbish[(index >> 2) % rubbish.length]!().catch(({ code }) => ({
    status: String(code),
  }))
  return String(answer.status)
}

/** Sends bytes and hangs up a moment later, answered or not. */
async function sendHalf(port: number, bytes: string): Promise<{ status: string }> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.resume().write(bytes)
  await sleep(20)
  socket.destroy()
  return { status: 'left' }
}
