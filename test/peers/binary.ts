import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { atEnd } from './clean-up.ts'

/**
 * Why the tests that need a program cannot run here; undefined if it is installed. Under CI=true it always is,
 * or the run fails: a test that is never run proves nothing.
 */
export function whyMissing(program: string, versionFlag: string): string | undefined {
  if (spawnSync(program, [versionFlag]).error === undefined) return undefined
  if (process.env.CI === 'true') throw new Error(`${program} is not installed`)
  return `skipped: ${program} is not installed`
}

/** Starts a program until the test is over, and waits until it says that it serves; rejects with its last words when it ends before. */
export async function startProgram(
  program: string,
  args: readonly string[],
  serves: RegExp,
): Promise<ChildProcess> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  const serving = new Promise<void>((resolve, reject) => {
    const listen = (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4_000)
      if (serves.test(said)) resolve()
    }
    child.stdout.on('data', listen)
    child.stderr.on('data', listen)
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`${program} ended: ${said}`)))
  })
  // A test process that dies must not leave its servers behind.
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  child.once('exit', () => process.off('exit', kill))
  await serving
  atEnd(() => endProgram(child, 'SIGKILL'))
  return child
}

/** Ends a program that we started, and waits for its end. */
export async function endProgram(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill(signal)
  await once(child, 'exit')
}

/**
 * A port that was free a moment ago, and below those that outgoing connections take: so a server may also come back
 * on it later.
 */
export async function findFreePort(): Promise<number> {
  const port = randomInt(20_000, 32_000)
  const server = createServer()
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening')
  } catch {
    return findFreePort()
  }
  server.close()
  await once(server, 'close')
  return port
}
