import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from 'redis'
import { atEnd } from './clean-up.ts'
import { endProgram, findFreePort, startProgram, whyMissing } from './binary.ts'

/** Why the tests with Redis are skipped, or undefined if they run. */
export const redisMissing = whyMissing('redis-server', '--version')

export interface RedisServer {
  url: string
  /** Starts it (again) on its port, empty. */
  start(): Promise<void>
  /** Ends it as a crash would. */
  kill(): Promise<void>
  /** Makes it hang: connections stand, nothing is answered. */
  freeze(): void
  thaw(): void
  /** How many clients listen on a channel. */
  subscribers(channel: string): Promise<number>
  /** Ends it for good. */
  close(): Promise<void>
}

/** A real redis-server on a port of its own, in a directory of its own, that keeps nothing on disk. */
export async function createRedisServer(options: readonly string[] = []): Promise<RedisServer> {
  const port = await findFreePort()
  const directory = mkdtempSync(join(tmpdir(), 'redis-'))
  const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory]
  const args = [...place, '--save', '', '--appendonly', 'no', ...options]
  let child: ChildProcess | undefined

  async function kill(): Promise<void> {
    if (child !== undefined) await endProgram(child, 'SIGKILL')
  }

  return {
    url: `redis://127.0.0.1:${port}`,
    async start() {
      child = await startProgram('redis-server', args, /Ready to accept connections/)
    },
    kill,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    async subscribers(channel) {
      const client = createClient({ url: `redis://127.0.0.1:${port}` }).on('error', () => undefined)
      await client.connect()
      const counts = await client.pubSubNumSub(channel).finally(() => client.destroy())
      return counts[channel] ?? 0
    },
    close: atEnd(async () => {
      await kill()
      rmSync(directory, { recursive: true, force: true })
    }),
  }
}
