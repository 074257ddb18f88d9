import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { Agent, createServer, request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { signSession, validEnvironment } from './peers/broker.ts'
import { send, sendBytes } from './peers/exchange.ts'
import { listen, portOf } from './peers/listen.ts'
import { expectProblem } from './peers/promises.ts'
import { asModule, spawnBroker, startProcess, type SpawnedBroker } from './peers/process.ts'
import { startVendor, type Vendor } from './peers/vendor.ts'

let vendor: Vendor
const started: SpawnedBroker[] = []

beforeAll(async () => {
  vendor = await startVendor()
})

afterEach(async () => {
  vendor.answerWith()
  await Promise.all(started.splice(0).map((broker) => broker.close()))
})

async function start(environment: Record<string, string> = {}, options = {}) {
  const limits = { SHUTDOWN_DELAY_MS: '0', SHUTDOWN_TIMEOUT_MS: '5000', VENDOR_TIMEOUT_MS: '20000' }
  const broker = await startProcess({ WIDGET_BASE_URL: vendor.url, ...limits, ...environment }, options)
  started.push(broker)
  return broker
}

function run(environment: Record<string, string>, options = {}) {
  const broker = spawnBroker(environment, options)
  started.push(broker)
  return broker
}

const agent = new Agent({ keepAlive: true })
afterAll(() => agent.destroy())

/** Asks for a token on a connection that the client would like to keep. */
async function askToken(port: number) {
  const headers = { authorization: `Bearer ${await signSession()}` }
  const outgoing = request({ host: '127.0.0.1', port, method: 'POST', path: '/widget-token', headers, agent })
  const answered = once(outgoing, 'response')
  outgoing.end()
  const [incoming] = await answered
  return { status: incoming.statusCode, headers: incoming.headers, body: await text(incoming) }
}

async function occupyPort(): Promise<number> {
  const occupant = createServer()
  await listen(occupant)
  return portOf(occupant)
}

describe('The start', () => {
  it('with --check-config reports whether the settings are valid, and opens no port', async () => {
    const port = await occupyPort()
    const options = { args: ['--check-config'] }
    const good = run({ ...validEnvironment, HOST: '127.0.0.1', PORT: String(port) }, options)
    const bad = run(
      { ...validEnvironment, PORT: 'planted', LOG_LEVEL: 'planted', WIDGET_TYPO: 'planted' },
      options,
    )
    expect((await good.ended).code).toBe(0)
    expect(good.said).toEqual({ stdout: 'The configuration is usable.\n', stderr: '' })
    expect((await bad.ended).code).toBe(1)
    for (const name of ['PORT', 'LOG_LEVEL', 'WIDGET_TYPO']) expect(bad.said.stderr).toContain(`  ${name} `)
    expect(bad.said.stderr).not.toContain('planted')
    expect(bad.said.stdout).toBe('')
  })

  it('reads .env, and the environment takes precedence', async () => {
    const cwd = mkdtempSync(join(tmpdir(), 'env-'))
    const settings = Object.entries({ ...validEnvironment, PORT: 'planted' })
    writeFileSync(join(cwd, '.env'), settings.map(([name, value]) => `${name}=${value}\n`).join(''))
    const options = { cwd, args: ['--check-config'] }
    const fromFile = run({}, options)
    const overruled = run({ PORT: '0' }, options)
    expect((await fromFile.ended).code).toBe(1)
    expect(fromFile.said.stderr).toBe(
      'The configuration is not usable:\n  PORT must be a whole number from 0 to 65535.\n',
    )
    expect((await overruled.ended).code).toBe(0)
  })

  it('with any other argument ends with one sentence', async () => {
    const broker = run(validEnvironment, { args: ['--check-confg'] })
    expect((await broker.ended).code).toBe(1)
    expect(broker.said).toEqual({
      stdout: '',
      stderr: 'The only argument is --check-config; settings come from the environment.\n',
    })
  })

  it('ends with one sentence if its port is in use', async () => {
    const port = await occupyPort()
    const broker = run({ ...validEnvironment, HOST: '127.0.0.1', PORT: String(port) })
    expect((await broker.ended).code).toBe(1)
    expect(broker.said.stderr).toBe(`The address 127.0.0.1:${port} is in use: set PORT or HOST to another.\n`)
  })

  it('ends before it listens if TLS verification is off', async () => {
    const broker = run({ ...validEnvironment, NODE_TLS_REJECT_UNAUTHORIZED: '0' })
    expect((await broker.ended).code).toBe(1)
    expect(broker.said.stderr).toContain('NODE_TLS_REJECT_UNAUTHORIZED turns TLS verification off')
  })

  it('keeps V8 from taking the objects of the first requests for long-lived ones', async () => {
    const nodeArgs = ['--max-semi-space-size=8', '--trace-pretenuring-statistics']
    const broker = await start({}, { nodeArgs })
    const startedWith = broker.said.stdout
    const askOften = async () => {
      for (let nth = 0; nth < 150; nth += 1)
        expect((await send(broker.port, { path: '/healthz' })).status).toBe(200)
    }
    await Promise.all(Array.from({ length: 16 }, askOften))
    broker.child.kill('SIGINT')
    await broker.ended
    const whileServing = broker.said.stdout.slice(startedWith.indexOf('"event":"listening"'))
    expect(startedWith).toContain('pretenuring: ')
    expect(whileServing).not.toContain('pretenuring: ')
  })

  it('keeps the strict HTTP parser even if Node is told to use the lenient one', async () => {
    const { port } = await start({}, { nodeArgs: ['--insecure-http-parser'] })
    const bytes = 'GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-A: b\x01c\r\n\r\n'
    expect((await sendBytes(port, bytes))[0]?.status).toBe(400)
  })
})

/** Longer than a test may take, so that one that waited for it would fail. */
const forever = { SHUTDOWN_DELAY_MS: '300000', SHUTDOWN_TIMEOUT_MS: '300000' }

describe('SIGTERM', () => {
  it('makes it unready at once, while it still serves, and ends it with 0 after the delay', async () => {
    const { child, port, ended, findLine } = await start({ SHUTDOWN_DELAY_MS: '1000' })
    expect((await send(port, { path: '/readyz' })).status).toBe(200)
    await askToken(port)
    const stoppedAt = performance.now()
    child.kill('SIGTERM')
    await findLine('draining')
    const ready = await send(port, { path: '/readyz' })
    expectProblem(ready, 503, 'shutting_down')
    expect((await send(port, { path: '/healthz' })).status).toBe(200)
    const answer = await askToken(port)
    expect(answer.status).toBe(200)
    expect(answer.headers.connection).toBe('close')
    const { code, at } = await ended
    expect(code).toBe(0)
    expect(at - stoppedAt).toBeGreaterThan(950)
  })

  it('lets requests in progress finish, and does not wait for their connections', async () => {
    const { child, port, ended, findLine } = await start()
    const { asked, release } = vendor.hold()
    const answer = askToken(port)
    await asked
    child.kill('SIGTERM')
    await findLine('draining')
    release()
    expect((await answer).status).toBe(200)
    expect((await answer).headers.connection).toBe('close')
    expect((await ended).code).toBe(0)
  })

  it('accepts no new connection after the delay', async () => {
    const { child, port, findLine } = await start()
    const { asked, release } = vendor.hold()
    const answer = askToken(port)
    await asked
    child.kill('SIGTERM')
    await findLine('draining')
    await expect(send(port, { path: '/healthz' })).rejects.toThrow(/ECONNREFUSED/)
    release()
    expect((await answer).status).toBe(200)
  })

  it('is not delayed by a client that has sent nothing or half a header, or keeps an idle connection', async () => {
    const { child, port, ended } = await start()
    const silent = connect(port, '127.0.0.1')
    const half = connect(port, '127.0.0.1')
    for (const socket of [silent, half]) socket.on('error', () => undefined)
    await Promise.all([once(silent, 'connect'), once(half, 'connect')])
    half.write('GET /healthz HTTP/1.1\r\nHost: a\r\n')
    await askToken(port)
    child.kill('SIGTERM')
    expect((await ended).code).toBe(0)
    silent.destroy()
    half.destroy()
  })

  it('while the vendor hangs answers waiting callers with 503 at the timeout, and exits with 1', async () => {
    const { child, port, ended, findLine } = await start({ SHUTDOWN_TIMEOUT_MS: '600' })
    const { asked, release } = vendor.hold()
    const answer = askToken(port)
    await asked
    child.kill('SIGTERM')
    expectProblem(await answer, 503, 'shutting_down')
    expect((await ended).code).toBe(1)
    // By the process's own clock: this one may be busy.
    const [from, to] = await Promise.all([findLine('draining'), findLine('stopped')])
    const tookMs = Date.parse(String(to.time)) - Date.parse(String(from.time))
    expect(tookMs).toBeGreaterThan(550)
    release()
  })

  it('followed by another signal ends it at once', async () => {
    const { child, port, ended, findLine, said } = await start(forever)
    const { asked, release } = vendor.hold()
    const answer = askToken(port)
    await asked
    child.kill('SIGTERM')
    await findLine('draining')
    child.kill('SIGINT')
    await expect(answer).rejects.toThrow(/hang up|reset/)
    expect((await ended).code).toBe(1)
    expect(said.stderr).toBe('')
    release()
  })
})

describe('SIGINT', () => {
  it('skips the delay', async () => {
    const { child, ended } = await start(forever)
    child.kill('SIGINT')
    expect((await ended).code).toBe(0)
  })
})

describe('SIGHUP', () => {
  it('drains like SIGTERM: what is in progress finishes after the delay', async () => {
    const { child, port, ended, findLine } = await start({ SHUTDOWN_DELAY_MS: '300' })
    const { asked, release } = vendor.hold()
    const answer = askToken(port)
    await asked
    child.kill('SIGHUP')
    expect(await findLine('draining')).toMatchObject({ signal: 'SIGHUP' })
    expectProblem(await send(port, { path: '/readyz' }), 503, 'shutting_down')
    release()
    expect((await answer).status).toBe(200)
    expect((await ended).code).toBe(0)
  })

  it('after SIGTERM ends it at once, like any second signal', async () => {
    const { child, port, ended, findLine } = await start({ SHUTDOWN_DELAY_MS: '4000' })
    const { asked, release } = vendor.hold()
    const answer = askToken(port)
    await asked
    child.kill('SIGTERM')
    await findLine('draining')
    child.kill('SIGHUP')
    await expect(answer).rejects.toThrow(/hang up|reset/)
    expect((await ended).code).toBe(1)
    release()
  })
})

describe('A user signal', () => {
  it.each(['SIGUSR1', 'SIGUSR2'] as const)(
    'such as %s cuts no request, and opens no debugger',
    async (signal) => {
      // Port 0: where the debugger opened, it would be on any free port, and say so.
      const { child, port, ended, said } = await start({}, { nodeArgs: ['--inspect-port=0'] })
      const { asked, release } = vendor.hold()
      const answer = askToken(port)
      await asked
      child.kill(signal)
      for (let index = 0; index < 20; index += 1) await send(port, { path: '/healthz' })
      release()
      expect((await answer).status).toBe(200)
      child.kill('SIGTERM')
      expect((await ended).code).toBe(0)
      expect(said.stderr).toBe('')
    },
  )

  it('opens no debugger even while the broker is still being loaded', async () => {
    const gate = await startGate()
    const nodeArgs = ['--inspect-port=0', '--import', holdImports(gate.url)]
    const broker = run({ ...validEnvironment, HOST: '127.0.0.1', PORT: '0' }, { nodeArgs })
    await gate.reached
    broker.child.kill('SIGUSR1')
    gate.open()
    await broker.findLine('listening')
    expect(broker.said.stderr).toBe('')
  })
})

/** A server that keeps its first answer back. */
async function startGate() {
  const gate = createServer()
  const url = await listen(gate)
  const reached = once(gate, 'request')
  return { url, reached, open: () => void reached.then(([, response]) => response.end()) }
}

/** Loads the broker only when this address answers. */
function holdImports(url: string): string {
  const hook = `export async function load(file, context, next) {
    if (file.endsWith('/broker.js')) await fetch('${url}')
    return next(file, context)
  }`
  return asModule(`import { register } from 'node:module'; register(${JSON.stringify(asModule(hook))})`)
}

describe('A log that nobody reads', () => {
  it('costs log lines but no request if its reader has closed it', async () => {
    const { child, port, ended, said } = await start({ LOG_LEVEL: 'trace' })
    child.stdout.destroy()
    for (let index = 0; index < 30; index += 1) expect((await askToken(port)).status).toBe(200)
    child.kill('SIGTERM')
    expect((await ended).code).toBe(0)
    expect(said.stderr).toBe('')
  })

  it('costs log lines but no request if its reader is stuck', async () => {
    const { child, port, ended } = await start()
    child.stdout.pause()
    const round = Array.from({ length: 50 })
    for (let index = 0; index < 20; index += 1) {
      const answers = await Promise.all(round.map(() => send(port, { path: '/nowhere' })))
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([404]))
    }
    child.kill('SIGTERM')
    child.stdout.resume()
    expect((await ended).code).toBe(0)
  })

  it.each(['SIGTERM', 'SIGUSR2'] as const)('stuck for good, does not delay the end by %s', async (signal) => {
    const bug = "process.on('SIGUSR2', () => { throw new Error('a bug') })"
    const nodeArgs = ['--import', `data:text/javascript,${encodeURIComponent(bug)}`]
    const { child, port, ended } = await start({}, { nodeArgs })
    child.stdout.pause()
    for (let index = 0; index < 60; index += 1)
      await Promise.all(Array.from({ length: 50 }, () => send(port, { path: '/nowhere' })))
    const exited = once(child, 'exit')
    child.kill(signal)
    expect(await exited).toEqual([null, 'SIGKILL'])
    child.stdout.resume()
    await ended
  })
})
