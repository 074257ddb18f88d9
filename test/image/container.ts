import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { atEnd } from '../peers/clean-up.ts'
import { execute, type ImageConfig } from './store.ts'

interface Image {
  files: string
  config: ImageConfig
}

interface Options {
  /** Where its files go. */
  folder: string
  command?: readonly string[]
  environment?: Record<string, string>
  /** A folder of the host that it sees as /run/secrets. */
  secrets?: string
}

/**
 * Runs an image as `docker run --read-only --cap-drop ALL --security-opt no-new-privileges` does, with a network of
 * its own, until it says `ready`. It ends with the test.
 */
export async function startContainer(image: Image, ready: RegExp, options: Options) {
  const bundle = await mkdtemp(join(options.folder, 'bundle-'))
  await writeFile(join(bundle, 'config.json'), JSON.stringify(describe(image, options)))
  const state = join(options.folder, 'runc')
  await mkdir(state, { recursive: true })
  const id = bundle.split('/').at(-1)!
  const runc = (...args: string[]) => spawn('runc', ['--root', state, ...args])

  const child = runc('run', '--bundle', bundle, id)
  const ended = once(child, 'close').then(() => child.exitCode)
  atEnd(async () => {
    if (child.exitCode === null) await execute('runc', '--root', state, 'kill', id, 'KILL').catch(() => {})
    await ended
  })
  const output = await untilSaid(child, ready)
  return {
    output,
    /** The exit code of process 1. */
    ended,
    kill: (signal: string) => execute('runc', '--root', state, 'kill', id, signal),
    /** Runs a command inside, as the image's user. */
    exec: (...command: string[]) => finish(runc('exec', id, ...command)),
  }
}

/** The output of a child that has printed what is expected of it; rejects with the output if it ends before. */
async function untilSaid(child: ChildProcess, pattern: RegExp): Promise<string> {
  let said = ''
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', (chunk) => {
      said += String(chunk)
      child.emit('said')
    })
  child.once('exit', () => child.emit('said'))
  while (!pattern.test(said)) {
    await once(child, 'said')
    if (child.exitCode !== null && !pattern.test(said)) throw new Error(said)
  }
  return said
}

async function finish(child: ChildProcess) {
  const [stdout, stderr] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, 'close')])
  return { code: child.exitCode, stdout, stderr }
}

/** The container for the runtime, in the format of the Open Container Initiative. */
function describe({ files, config }: Image, { command, environment = {}, secrets }: Options) {
  const [uid, gid] = config.User.split(':').map(Number)
  const own = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
  return {
    ociVersion: '1.0.2',
    process: {
      user: { uid, gid },
      args: command ?? [...(config.Entrypoint ?? []), ...config.Cmd],
      env: [...config.Env, ...own],
      cwd: config.WorkingDir,
      capabilities: {},
      noNewPrivileges: true,
    },
    root: { path: files, readonly: true },
    mounts: [
      ...(secrets === undefined
        ? []
        : [{ destination: '/run/secrets', type: 'bind', source: secrets, options: ['bind', 'ro'] }]),
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=64k'] },
    ],
    linux: { namespaces: ['pid', 'ipc', 'uts', 'mount', 'network'].map((type) => ({ type })) },
  }
}
