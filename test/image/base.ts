import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execute } from './store.ts'

const lists = '/etc/apt'
const certificates = '/etc/ssl/certs/ca-certificates.crt'

/**
 * Fills a folder with what the official image of Node has, as far as the Dockerfile uses it: a small Debian, Node 24
 * and npm. Both come from the registries that this machine uses.
 */
export async function fillBase(files: string, suite: string): Promise<void> {
  await execute('debootstrap', '--variant=minbase', suite, files, await findMirror())
  const local = join(files, 'usr/local')
  const packages = ['npm@11', `node-linux-${process.arch}@24`]
  await execute('npm', 'install', '--global', '--prefix', local, '--no-audit', '--no-fund', ...packages)
  const node = join(local, 'lib/node_modules', `node-linux-${process.arch}`)
  await rm(join(local, 'bin/node'))
  await rename(join(node, 'bin/node'), join(local, 'bin/node'))
  await rm(node, { recursive: true })
  await configureNpm(files)
}

/** npm in the image uses this machine's registry, and logs each package that it fetches. */
async function configureNpm(files: string): Promise<void> {
  const { stdout: registry } = await execute('npm', 'config', 'get', 'registry')
  await mkdir(join(files, 'etc/ssl/certs'), { recursive: true })
  await copyFile(certificates, join(files, certificates))
  await mkdir(join(files, 'usr/local/etc'), { recursive: true })
  const lines = [`registry=${registry.trim()}`, `cafile=${certificates}`, 'loglevel=http', '']
  await writeFile(join(files, 'usr/local/etc/npmrc'), lines.join('\n'))
}

/** The mirror of Debian from which this machine installs. */
async function findMirror(): Promise<string> {
  const folder = join(lists, 'sources.list.d')
  const names = (await readdir(folder)).map((name) => join(folder, name))
  const texts = await Promise.all(
    [join(lists, 'sources.list'), ...names].map((name) => readFile(name, 'utf8').catch(() => '')),
  )
  const mirror = /^(?:URIs:|deb\s).*?(https?:\/\/\S+\/debian)\/?(?=\s)/m.exec(texts.join('\n'))?.[1]
  if (mirror === undefined) throw new Error(`${lists} names no mirror of Debian`)
  return mirror
}
