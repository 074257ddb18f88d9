import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { validEnvironment } from './broker.ts'
import { atEnd } from './clean-up.ts'

const entry = join(import.meta.dirname, '../../dist/server.js')

/** A module for `--import`, given as its text. */
export const asModule = (text: string) => `data:text/javascript,${encodeURIComponent(text)}`

interface Options {
  args?: readonly string[]
  nodeArgs?: readonly string[]
  cwd?: string
}

/** The broker as its operator starts it, with nothing in its environment but this; ended by `close` at the latest. */
export function spawnBroker(environment: Record<string, string> = {}, options: Options = {}) {
  const { args = [], nodeArgs = [], cwd = mkdtempSync(join(tmpdir(), 'broker-')) } = options
  const child = spawn(process.execPath, [...nodeArgs, entry, ...args], { cwd, env: environment })
  const said = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => (said.stdout += String(chunk)))
  child.stderr.on('data', (chunk) => (said.stderr += String(chunk)))
  const ended = once(child, 'close').then(() => ({ code: child.exitCode, at: performance.now() }))

  async function findLine(event: string): Promise<Record<string, unknown>> {
    for (;;) {
      const line = said.stdout.split('\n').find((text) => text.includes(`"event":"${event}"`))
      if (line !== undefined) return JSON.parse(line)
      await Promise.race([
        once(child.stdout, 'data'),
        ended.then(() => Promise.reject(new Error(said.stderr))),
      ])
    }
  }

  return {
    child,
    said,
    /** Its exit code and when it ended. */
    ended,
    /** The log line of an event, as soon as it is written. */
    findLine,
    close: atEnd(async () => {
      child.kill('SIGKILL')
      await ended
    }),
  }
}

export type SpawnedBroker = ReturnType<typeof spawnBroker>

/** A broker process with a valid configuration on a free port, once it listens. */
export async function startProcess(environment: Record<string, string> = {}, options: Options = {}) {
  const broker = spawnBroker({ ...validEnvironment, HOST: '127.0.0.1', PORT: '0', ...environment }, options)
  const { port } = await broker.findLine('listening')
  return { ...broker, port: Number(port) }
}
