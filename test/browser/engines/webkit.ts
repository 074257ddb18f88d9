import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'
import { setTimeout as pass } from 'node:timers/promises'
import type { Engine, EngineTab } from './engine.ts'
import { findMiniBrowser } from './installed.ts'

/** Sends a WebDriver command of the session (https://www.w3.org/TR/webdriver2/) and returns its value. */
type Command = (method: string, path: string, body?: object) => Promise<unknown>

/** WebKitGTK's MiniBrowser, by its WebDriver, on a virtual screen. */
export async function launchWebKit(): Promise<Engine> {
  const children: ChildProcess[] = []
  const display = await startScreen(children)
  const port = await freePort()
  // MiniBrowser's sandbox needs rights that a container or root does not have.
  const env = { ...process.env, DISPLAY: display, WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1' }
  children.push(spawn('WebKitWebDriver', [`--port=${port}`], { env, stdio: 'ignore' }))
  const command = await startSession(`http://127.0.0.1:${port}`)
  // MiniBrowser measures by the page's clock, which the tests move.
  await command('POST', '/timeouts', { script: null })
  // This window stays open, because a new one is opened from an existing one.
  const first = (await command('GET', '/window')) as string
  const inWindow = inTurn(command)
  return { open: () => openTab(inWindow, first), kill: () => children.forEach((child) => child.kill()) }
}

async function startScreen(children: ChildProcess[]): Promise<string> {
  const screen = spawn('Xvfb', ['-displayfd', '3'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] })
  children.push(screen)
  const [number] = await once(screen.stdio[3] as Readable, 'data')
  return `:${String(number).trim()}`
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

async function startSession(driver: string): Promise<Command> {
  while (!(await fetch(`${driver}/status`).catch(() => undefined))) await pass(20)
  const options = {
    binary: findMiniBrowser(),
    args: ['--automation', '--javascript-can-open-windows-automatically=true'],
  }
  const capabilities = { alwaysMatch: { 'webkitgtk:browserOptions': options } }
  const { sessionId } = (await send(driver, 'POST', '/session', { capabilities })) as { sessionId: string }
  return (method, path, body) => send(`${driver}/session/${sessionId}`, method, path, body)
}

async function send(base: string, method: string, path: string, body?: object): Promise<unknown> {
  const response = await fetch(base + path, { method, body: body ? JSON.stringify(body) : null })
  const { value } = (await response.json()) as { value: { error: string; message: string } }
  if (!response.ok) throw new Error(`${value.error}: ${value.message}`)
  return value
}

/** Sends a command to one of the windows. */
type WindowCommand = (window: string, ...command: Parameters<Command>) => Promise<unknown>

/** A session has one current window: commands for different windows take turns. */
function inTurn(command: Command): WindowCommand {
  let turn: Promise<unknown> = Promise.resolve()
  let current = ''
  const sendTo: WindowCommand = async (handle, ...rest) => {
    if (handle !== current) await command('POST', '/window', { handle })
    current = handle
    return command(...rest)
  }
  return (...args) => {
    const done = turn.then(() => sendTo(...args))
    turn = done.catch(() => undefined)
    return done
  }
}

async function openTab(inWindow: WindowCommand, first: string): Promise<EngineTab> {
  const { handle } = (await inWindow(first, 'POST', '/window/new', { type: 'window' })) as { handle: string }
  const command: Command = (...args) => inWindow(handle, ...args)
  return {
    goto: async (url) => void (await command('POST', '/url', { url })),
    run: async (expression) => {
      const script = `const done = arguments[0]
        Promise.resolve(${expression}).then((value) => done({ value }), (error) => done({ error: String(error) }))`
      const { value, error } = (await command('POST', '/execute/async', { script, args: [] })) as {
        value?: unknown
        error?: string
      }
      if (error !== undefined) throw new Error(error)
      return value
    },
    leave: async () => void (await command('POST', '/url', { url: 'about:blank' })),
  }
}
