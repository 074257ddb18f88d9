import { execFile } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from '../peers/documents.ts'

const run = promisify(execFile)

/** Runs a program to its end; rejects with its output unless it exits with 0. */
export function execute(program: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return run(program, args, { maxBuffer: 64 * 1024 * 1024 })
}

/** The part of an image's configuration that says how to run it. */
export interface ImageConfig {
  User: string
  Env: string[]
  Cmd: string[]
  Entrypoint: string[] | null
  WorkingDir: string
  Healthcheck?: { Test: string[] }
}

/** A separate image store in a temporary folder, which `remove` deletes. It needs no daemon. */
export async function openStore() {
  const folder = await mkdtemp(join(tmpdir(), 'token-broker-image-'))
  const places = ['--root', join(folder, 'store'), '--runroot', join(folder, 'run')]
  const buildah = (...args: string[]) => execute('buildah', '--storage-driver', 'overlay', ...places, ...args)
  const ask = async (...args: string[]) => (await buildah(...args)).stdout.trim()

  return {
    folder,
    /** Makes an image from files that `fill` puts into an empty folder. */
    async makeImage(name: string, fill: (files: string) => Promise<void>): Promise<void> {
      const container = await ask('from', 'scratch')
      await fill(await ask('mount', container))
      await buildah('umount', container)
      await buildah('commit', '--quiet', '--rm', container, name)
    },
    /** Builds the Dockerfile, or one target of it, as `docker build` does; returns its output. */
    async build(name: string, ...args: string[]): Promise<string> {
      const options = ['--isolation', 'chroot', '--network', 'host', '--format', 'docker']
      const local = ['--layers', '--pull-never', '--tag', name]
      const { stdout, stderr } = await buildah('bud', ...options, ...local, ...args, root)
      return stdout + stderr
    },
    /** The files of an image, mounted, and its configuration. */
    async open(name: string): Promise<{ files: string; config: ImageConfig }> {
      const { Docker } = JSON.parse(await ask('inspect', '--type', 'image', name))
      const files = await ask('mount', await ask('from', '--pull-never', name))
      return { files, config: Docker.config }
    },
    async remove(): Promise<void> {
      await buildah('rm', '--all')
      // buildah mounts this folder onto itself.
      await execute('umount', join(folder, 'store/overlay')).catch(() => undefined)
      await execute('rm', '-rf', '--one-file-system', folder)
    },
  }
}

export type Store = Awaited<ReturnType<typeof openStore>>
