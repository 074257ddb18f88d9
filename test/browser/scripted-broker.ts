import { EventEmitter, once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { FREEZE_TIME, OBSERVE } from './served.ts'
import { startSite, type Received, type Site } from './sites.ts'

const scriptOf = (name: string) => readFileSync(new URL(`../../dist/public/${name}.js`, import.meta.url))
const BRIDGE = scriptOf('bridge')
const SCRIPTS: Record<string, Buffer | string> = {
  '/embed.js': scriptOf('embed'),
  '/observe.js': OBSERVE,
  '/observe-frozen.js': OBSERVE + FREEZE_TIME,
}

export interface Answer {
  status?: number
  headers?: Record<string, string>
  /** Sent as JSON; a string as it is. */
  body?: unknown
  /** The answer waits for it. */
  after?: Promise<unknown>
}

export type Script = (request: Received, count: number) => Answer | 'cut' | 'no-cors'

export interface ScriptedBroker extends Site {
  /** What the next token requests are answered with; `count` starts at 1. */
  script: Script
  /** Token requests so far, preflights included: there should be none. */
  asked(): Received[]
  reset(): void
}

/** A good answer for one user: each has a new token. */
export const answerAs =
  (subject: string): Script =>
  (_request, count) => ({ body: { token: `${subject}-token-${count}`, expiresIn: 287, subject } })

/** The same answers, which come when the test lets them go. */
export function heldBack(script: Script): { script: Script; letGo(): void } {
  const gate = new EventEmitter()
  const after = once(gate, 'open')
  return {
    script: (request, count) => ({ ...Object(script(request, count)), after }),
    letGo: () => void gate.emit('open'),
  }
}

/** A refusal as the broker words it. */
export const refusal = (status: number, code: string, headers: Record<string, string> = {}): Answer => ({
  status,
  headers: { 'Content-Type': 'application/problem+json', 'X-Request-Id': 'request-1', ...headers },
  body: { type: `urn:returning-ai-token-broker:${code}`, title: code, status, code },
})

/** The broker's wire with answers that the test chooses, and the real `bridge.js`. */
export async function startScriptedBroker(name: string): Promise<ScriptedBroker> {
  let count = 0
  const serve: RequestListener = (request, response) => {
    allowOrigin(request, response)
    if (request.method === 'GET') return serveScript(response, SCRIPTS[request.url ?? ''] ?? BRIDGE)
    if (request.method === 'OPTIONS') return response.writeHead(204).end()
    count += 1
    void send(broker.script(site.requests.at(-1) as Received, count), response)
  }
  const site = await startSite(name, serve)
  const broker: ScriptedBroker = {
    ...site,
    script: answerAs('ann'),
    asked: () => site.requests.filter(({ method }) => method !== 'GET'),
    reset: () => {
      count = 0
      site.requests.length = 0
      broker.script = answerAs('ann')
    },
  }
  return broker
}

function allowOrigin({ headers }: IncomingMessage, response: ServerResponse): void {
  response.setHeader('Access-Control-Allow-Origin', headers.origin ?? '*')
  response.setHeader('Access-Control-Allow-Credentials', 'true')
  response.setHeader('Access-Control-Expose-Headers', 'Retry-After,X-Request-Id')
  response.setHeader('Access-Control-Allow-Headers', 'Authorization')
}

function serveScript(response: ServerResponse, script: Buffer | string): void {
  response.setHeader('Content-Type', 'text/javascript')
  response.setHeader('Cross-Origin-Resource-Policy', 'cross-origin')
  response.end(script)
}

async function send(answer: ReturnType<Script>, response: ServerResponse): Promise<void> {
  if (answer === 'cut') return void response.destroy()
  if (answer === 'no-cors') {
    response.removeHeader('Access-Control-Allow-Origin')
    return void response.writeHead(403).end()
  }
  const { status = 200, headers = { 'Content-Type': 'application/json' }, body = '', after } = answer
  await after
  response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body))
}
