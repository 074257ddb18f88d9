import { fork } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import type { Listening, Usage } from './meter.ts'

/** A server in a process of its own, so that what it uses is its own. */
export interface Measured {
  origin: string
  /** From the start of the process until it listens. */
  startMs: number
  usage(): Promise<Usage>
  stop(): Promise<void>
}

const meter = new URL('./meter.js', import.meta.url).href

interface Options {
  execArgv?: string[]
  logFile?: string
  /** The CPUs that the program may use, in the notation of `taskset`. Default: all. */
  cpus?: string
}

/** Starts a compiled program with its output in a file; resolves when it listens. */
export async function startMeasured(
  program: string,
  env: Record<string, string>,
  { execArgv = [], logFile = '/dev/null', cpus }: Options = {},
): Promise<Measured> {
  const startedAt = performance.now()
  const node = ['--import', meter, ...execArgv]
  const child = fork(new URL(program, import.meta.url), [], {
    env: { PATH: process.env.PATH, NODE_ENV: 'production', HOST: '127.0.0.1', PORT: '0', ...env },
    ...(cpus === undefined
      ? { execArgv: node }
      : { execPath: 'taskset', execArgv: ['-c', cpus, process.execPath, ...node] }),
    stdio: ['ignore', openSync(logFile, 'a'), 'inherit', 'ipc'],
  })
  const ended = once(child, 'exit')
  const [{ port }] = (await Promise.race([
    once(child, 'message'),
    ended.then(() => Promise.reject(new Error(`${program} did not start`))),
  ])) as [Listening]
  return {
    origin: `http://127.0.0.1:${port}`,
    startMs: performance.now() - startedAt,
    async usage() {
      const answered = once(child, 'message')
      child.send('usage')
      const [usage] = (await answered) as [Usage]
      return usage
    },
    async stop() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
