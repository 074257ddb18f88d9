import { readdirSync, readFileSync } from 'node:fs'
import { chmod, chown, mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { whyMissing } from '../peers/binary.ts'
import { validEnvironment } from '../peers/broker.ts'
import { atEnd } from '../peers/clean-up.ts'
import { root } from '../peers/documents.ts'
import { fillBase } from './base.ts'
import { startContainer } from './container.ts'
import { signIn } from './demo.ts'
import { execute, openStore, type ImageConfig, type Store } from './store.ts'

const missing =
  whyMissing('buildah', '--version') ??
  whyMissing('debootstrap', '--version') ??
  whyMissing('runc', '--version') ??
  (process.getuid?.() === 0 ? undefined : 'skipped: it needs root')

const read = (name: string) => readFileSync(join(root, name), 'utf8')
const [, baseName = '', suite = ''] = /^FROM (node:\S+?-(\w+)-slim) /m.exec(read('Dockerfile'))!
const mostMegabytes = 45
const listening = /"event":"listening"/

async function measureMegabytes(path: string): Promise<number> {
  return Number((await execute('du', '-sx', '--block-size=1000000', path)).stdout.split('\t')[0])
}

describe.skipIf(missing)(`The image, built without Docker ${missing ?? ''}`, () => {
  let store: Store
  let buildLog: string
  let runtime: { files: string; config: ImageConfig }
  let sandbox: { files: string; config: ImageConfig }

  beforeAll(async () => {
    store = await openStore()
    atEnd(() => store.remove())
    await store.makeImage(`docker.io/library/${baseName}`, (files) => fillBase(files, suite))
    buildLog = await store.build('token-broker')
    await store.build('token-broker-sandbox', '--target', 'sandbox')
    runtime = await store.open('token-broker')
    sandbox = await store.open('token-broker-sandbox')
  })

  const startBroker = () =>
    startContainer(runtime, listening, { folder: store.folder, environment: validEnvironment })

  it('downloads no browser from npm', () => {
    const fetched = [...buildLog.matchAll(/npm http (?:fetch GET 200|cache) (\S+\.tgz|\S+@\S+)/g)].map(
      ([, name]) => name!,
    )
    expect(fetched.filter((name) => name.includes('express')).length).toBeGreaterThan(0)
    expect(
      fetched.filter((name) => /\/(chromium|puppeteer|playwright|electron|\w+driver)\/-\//.test(name)),
    ).toEqual([])
  })

  it(`adds at most ${mostMegabytes} MB to Debian and Node`, async () => {
    const whole = await measureMegabytes(runtime.files)
    const own = await measureMegabytes(join(runtime.files, 'broker'))
    process.stdout.write(`The image has ${whole} MB. ${own} MB of them are the broker.\n`)
    expect(own).toBeLessThanOrEqual(mostMegabytes)
  })

  it('has neither bench nor demo nor sandbox nor npm', () => {
    const names = ['dist', 'public', 'dist/public'].flatMap((folder) =>
      readdirSync(join(runtime.files, 'broker', folder)),
    )
    expect(names).toEqual(expect.arrayContaining(['server.js', 'doctor', 'index.html', 'bridge.js']))
    expect(names.filter((name) => /^(bench|demo|sandbox)$/.test(name))).toEqual([])
    expect(readdirSync(join(runtime.files, 'usr/local/bin'))).toEqual(['node'])
  })

  it('has no development package', () => {
    const modules = join(runtime.files, 'broker/node_modules')
    const { packages: installed } = JSON.parse(readFileSync(join(modules, '.package-lock.json'), 'utf8'))
    const { packages } = JSON.parse(read('package-lock.json'))
    const names = Object.keys(installed)
    expect(names).toContain('node_modules/express')
    expect(names.filter((name) => packages[name].dev === true)).toEqual([])
    const folders = readdirSync(modules).filter((name) => !name.startsWith('.'))
    expect(folders.filter((folder) => !names.some((name) => name.includes(`/${folder}`)))).toEqual([])
  })

  it('is healthy as user 65532 on a read-only file system without capabilities', async () => {
    const broker = await startBroker()
    const [kind, ...check] = runtime.config.Healthcheck!.Test
    expect(kind).toBe('CMD')
    expect(await broker.exec(...check)).toEqual({ code: 0, stdout: '', stderr: '' })
    const { stdout } = await broker.exec('sh', '-c', 'id -u; cat /proc/1/status; touch /broker/x /tmp/x 2>&1')
    expect(stdout).toMatch(/^65532\n/)
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      expect(stdout).toMatch(new RegExp(`^${set}:\\s0+$`, 'm'))
    expect(stdout.match(/Read-only file system/g)).toHaveLength(2)
  })

  it('is unhealthy if the broker does not listen', async () => {
    const container = await startContainer(runtime, /ready/, {
      folder: store.folder,
      command: ['node', '-e', 'console.log("ready"); setInterval(() => {}, 1000)'],
    })
    const [, ...check] = runtime.config.Healthcheck!.Test
    expect((await container.exec(...check)).code).toBe(1)
  })

  it('exits with 0 after SIGTERM to process 1', async () => {
    const broker = await startBroker()
    const { stdout } = await broker.exec('cat', '/proc/1/cmdline')
    expect(stdout.split('\0').slice(0, -1)).toEqual(runtime.config.Cmd)
    await broker.kill('TERM')
    expect(await broker.ended).toBe(0)
  })

  /** A broker whose API key is in a file of this owner and mode. */
  async function startWithKeyFile(uid: number, gid: number, mode: number) {
    const secrets = await mkdtemp(join(store.folder, 'secrets-'))
    await chmod(secrets, 0o755)
    const file = join(secrets, 'widget_api_key')
    await writeFile(file, 'widget-api-key-1')
    await chmod(file, mode)
    await chown(file, uid, gid)
    const { WIDGET_API_KEY: _, ...others } = validEnvironment
    const environment = { ...others, WIDGET_API_KEY_FILE: '/run/secrets/widget_api_key' }
    return startContainer(runtime, listening, { folder: store.folder, environment, secrets })
  }

  it.each([
    ['its user, with mode 0400', 65_532, 0, 0o400],
    ['its group, with mode 0440', 0, 65_532, 0o440],
  ])('reads a secret from a file of %s', async (_, uid, gid, mode) => {
    expect((await startWithKeyFile(uid, gid, mode)).output).toContain('listening')
  })

  it('does not start if only root can read the file of a secret, and names the setting', async () => {
    await expect(startWithKeyFile(0, 0, 0o400)).rejects.toThrow(/WIDGET_API_KEY_FILE.*EACCES/)
  })

  it('runs the doctor', async () => {
    const broker = await startBroker()
    const arguments_ = ['--url', 'http://127.0.0.1:3000/', '--json']
    const { stdout } = await broker.exec('node', 'dist/doctor/main.js', ...arguments_)
    const { checks } = JSON.parse(stdout)
    expect(checks.find(({ id }: { id: string }) => id === 'config')).toMatchObject({ status: 'pass' })
  })

  it('signs a user in to the demo, from the target with the sandbox', async () => {
    const demo = await startContainer(sandbox, /The demo is ready/, { folder: store.folder })
    const told = await demo.exec('node', '--input-type=module', '-e', signIn)
    expect(told).toEqual({ code: 0, stdout: '200 token\n', stderr: '' })
    await demo.kill('TERM')
    expect(await demo.ended).toBe(0)
  })

  it('runs only the sandbox from the same target', async () => {
    const command = ['node', 'dist/sandbox/main.js']
    const alone = await startContainer(sandbox, /WIDGET_API_KEY=/, { folder: store.folder, command })
    expect(alone.output).toContain('The sandbox listens')
  })
})
