import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { dirname } from 'node:path'

export interface RunningCommand {
  /** Resolves to what `pattern` matches in the output, or to its group. Rejects with the output if the process ends first. */
  firstLine(pattern: RegExp): Promise<string>
  stop(): Promise<void>
}

/** The environment of a terminal: with the Node of this run first, and nothing of the test runner. */
export function shellEnvironment(env: Record<string, string> = {}): Record<string, string> {
  const { PATH = '', HOME = '' } = process.env
  return { PATH: `${dirname(process.execPath)}:${PATH}`, HOME, npm_config_prefer_offline: 'true', ...env }
}

/** Runs a command line as a person types it. */
export function startCommand(line: string, cwd: string, env: Record<string, string>): RunningCommand {
  const child = spawn('bash', ['-c', line], { cwd, env: shellEnvironment(env), detached: true })
  return { firstLine: (pattern) => firstLine(child, pattern), stop: () => stop(child) }
}

function firstLine(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = ''
    const read = (chunk: Buffer) => {
      output += String(chunk)
      const match = pattern.exec(output)
      if (match !== null) resolve(match[1] ?? match[0])
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
    child.once('exit', () => reject(new Error(output)))
  })
}

/** Signals the whole process group, because npm does not forward signals to its children. */
async function stop(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  process.kill(-Number(child.pid), 'SIGTERM')
  await exited
}

export async function freePorts(): Promise<number[]> {
  const servers = [createServer(), createServer()]
  for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening')
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  for (const server of servers) await once(server.close(), 'close')
  return ports
}
