import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { cp, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { validEnvironment } from './peers/broker.ts'
import { root } from './peers/documents.ts'

const read = (name: string) => readFileSync(join(root, name), 'utf8')
const stages = read('Dockerfile')
  .replaceAll('\\\n', '')
  .split(/^(?=FROM )/m)
  .slice(1)
  .map((stage) => stage.split('\n').filter((line) => /^[A-Z]+ /.test(line)))
const stageOf = (name: string) => stages.find(([from]) => from!.endsWith(` AS ${name}`))!
const of = (instruction: string, lines: readonly string[]) =>
  lines.filter((line) => line.startsWith(`${instruction} `))
const base = stageOf('base')
const runtime = stageOf('runtime')
const sandbox = stageOf('sandbox')

describe('The image', () => {
  it('is based on an exact version of Node 24, the one that .node-version names', () => {
    for (const [from] of stages)
      expect(from).toMatch(/^FROM (node:24\.\d+\.\d+-\S+|base) AS (build|base|sandbox|runtime)$/)
    expect(base[0]).toContain(`node:${read('.node-version').trim()}-`)
  })

  it('is the broker by default', () => {
    expect(stages.at(-1)).toBe(runtime)
  })

  it('runs as a numeric user that is not root', () => {
    expect(of('USER', stages.flat())).toEqual([expect.stringMatching(/^USER [1-9]\d{3,}:[1-9]\d{3,}$/)])
    expect(of('USER', base)).toHaveLength(1)
  })

  it('starts node itself as process 1, without shell or npm', () => {
    expect(of('ENTRYPOINT', base)).toEqual(['ENTRYPOINT []'])
    expect(of('CMD', runtime)).toEqual([expect.stringMatching(/^CMD \["node", .*"dist\/server\.js"\]$/)])
    expect(of('CMD', sandbox)).toEqual(['CMD ["node", "dist/demo/main.js"]'])
    expect(of('RUN', base).join()).toContain('/usr/local/lib/node_modules')
  })

  it('starts node with the flags of npm start', () => {
    const { scripts } = JSON.parse(read('package.json'))
    const flags = scripts.start.match(/--\S+/g)
    expect(flags.length).toBeGreaterThan(1)
    expect(JSON.parse(of('CMD', runtime)[0]!.slice('CMD '.length))).toEqual(expect.arrayContaining(flags))
  })

  it('never opens a debugger for a signal, not even at its start', () => {
    expect(of('CMD', runtime).join()).toContain('"--disable-sigusr1"')
  })

  it('takes no secret as an argument or variable', () => {
    const declared = stages.flat().filter((line) => /^(ARG|ENV) /.test(line))
    expect(declared).toEqual(['ENV NODE_ENV=production', 'ENV HOST=0.0.0.0'])
    expect(sandbox).toContain('ENV HOST=0.0.0.0')
  })

  it('is made from a list of allowed files', () => {
    const lines = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
    expect(lines[0]).toBe('*')
    const allowed = /^!(package(-lock)?\.json|\.npmrc|tsconfig\.json|build\.js|src|public)$/
    expect(lines.slice(1).filter((line) => !allowed.test(line))).toEqual([])
  })
})

describe('The image', () => {
  let files: string

  /** The files of the runtime stage: what its instructions copy, without what they remove. */
  beforeAll(async () => {
    files = await mkdtemp(join(tmpdir(), 'token-broker-image-'))
    for (const name of ['dist', 'public', 'package.json'])
      await cp(join(root, name), join(files, name), { recursive: true })
    const removed = /rm -r (.+)$/.exec(of('RUN', stageOf('build')).at(-1)!)![1]!.split(' ')
    for (const name of removed) await rm(join(files, name), { recursive: true })
    await symlink(join(root, 'node_modules'), join(files, 'node_modules'))
  })

  afterAll(() => rm(files, { recursive: true }))

  it('has neither bench nor demo nor sandbox', async () => {
    const names = [...(await readdir(join(files, 'dist'))), ...(await readdir(join(files, 'public')))]
    expect(names).toEqual(expect.arrayContaining(['server.js', 'doctor', 'public', 'index.html']))
    expect(names.filter((name) => /^(bench|demo|sandbox)$/.test(name))).toEqual([])
  })

  it('runs the doctor', async () => {
    const doctor = spawn(process.execPath, ['dist/doctor/main.js', '--help'], { cwd: files, stdio: 'ignore' })
    expect(await once(doctor, 'exit')).toEqual([0, null])
  })

  it('serves without permission to write, to start a process or to read other files', async () => {
    const isOld = process.version.startsWith('v20.')
    const flags = isOld ? ['--experimental-permission'] : ['--permission', '--allow-net']
    const readable = [files, join(root, 'node_modules')].map((path) => `--allow-fs-read=${path}/*`)
    const known = flags.filter((flag) => process.allowedNodeEnvironmentFlags.has(flag))
    expect(known).toContain(flags[0])
    const broker = spawn(process.execPath, [...known, ...readable, 'dist/server.js'], {
      cwd: files,
      env: { ...validEnvironment, HOST: '127.0.0.1', PORT: '0', SHUTDOWN_DELAY_MS: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = await once(broker.stdout.setEncoding('utf8'), 'data')
    const { port } = JSON.parse(String(line).split('\n')[0] ?? '')
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200)
    broker.kill('SIGTERM')
    expect(await once(broker, 'exit')).toEqual([0, null])
  })
})
