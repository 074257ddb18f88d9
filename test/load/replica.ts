import { readFileSync } from 'node:fs'
import { onTestFinished } from 'vitest'
import { findFreePort } from '../peers/binary.ts'
import { startProcess } from '../peers/process.ts'

/** Those of `npm start`. */
const nodeArgs = readPackage()
  .scripts.start.split(' ')
  .filter((word) => word.startsWith('--'))

export interface Replica {
  port: number
  origin: string
  pid(): number
  /** Ends it by SIGTERM, as an orchestrator does, and starts it again; resolves to the exit code of the old one. */
  restart(): Promise<number | null>
  /** Every line of the log so far. */
  logLines(): Record<string, unknown>[]
}

/** The broker, a process of its own until the end of the test. */
export async function startReplica(
  environment: Record<string, string>,
  moreNodeArgs: readonly string[] = [],
): Promise<Replica> {
  const port = await findFreePort()
  const start = () =>
    startProcess({ ...environment, PORT: String(port) }, { nodeArgs: [...nodeArgs, ...moreNodeArgs] })
  let running = await start()
  const kill = () => void running.child.kill('SIGKILL')
  process.once('exit', kill)
  onTestFinished(async () => {
    process.off('exit', kill)
    await running.close()
  })
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    pid: () => running.child.pid!,
    async restart() {
      running.child.kill('SIGTERM')
      const { code } = await running.ended
      running = await start()
      return code
    },
    logLines: () =>
      running.said.stdout
        .split('\n')
        .filter((line) => line.endsWith('}'))
        .map((line) => JSON.parse(line)),
  }
}

/** The most memory that a process has had resident, in MB (Linux). */
export function peakMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return (Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024) / 1_000_000
}

function readPackage(): { scripts: { start: string } } {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
}
