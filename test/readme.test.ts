import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConfigError, loadConfig } from '../src/config/config.ts'
import { variableNames } from '../src/config/variables.ts'
import { problemCodes } from '../src/problems.ts'
import { version } from '../src/routes/page.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))
const readme = await readFile(join(root, 'README.md'), 'utf8')
const blocks = [...readme.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, kind, text = '']) => ({
  kind,
  text,
}))
const settings = blocks.filter(({ kind }) => kind === 'ini').map(({ text }) => parseSettings(text))
const section = (title: string) => readme.split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? ''

function parseSettings(text: string): Record<string, string> {
  return Object.fromEntries(
    text
      .trim()
      .split('\n')
      .map((line) => line.split(/=(.*)/s).slice(0, 2)),
  )
}

/** The full names of the tests in a file: those of the groups around each before its own. */
function titlesOf(source: string): string[] {
  const groups: { depth: number; title: string }[] = []
  const titles: string[] = []
  for (const [, indent = '', kind, , title = ''] of source.matchAll(
    /^( *)(describe|it|test)(?:\.\w+\([^\n]*?\))?\(\s*(['"])((?:(?!\3).)*)\3/gm,
  )) {
    while ((groups.at(-1)?.depth ?? -1) >= indent.length) groups.pop()
    if (kind === 'describe') groups.push({ depth: indent.length, title })
    else titles.push([...groups.map((group) => group.title), title].join(' '))
  }
  return titles
}

describe('the README', () => {
  it('names every setting and every refusal, and none that is not there', () => {
    const documented = section('Settings').replace(/`…(_\w+)`/g, '`SESSION_INTROSPECTION$1`')
    for (const name of variableNames.filter((each) => !each.startsWith('RAI_')))
      expect(documented).toContain(`\`${name}`)
    const codes = [...section('Routes and refusals').matchAll(/^\| [\d, ]+ \| ([^|]+)/gm)].flatMap(
      ([, cell = '']) => [...cell.matchAll(/`(\w+)`/g)].map(([, code]) => code),
    )
    expect(new Set(codes)).toEqual(new Set(problemCodes))
  })

  it.each(settings)(
    'shows settings that start a broker: $SESSION_MODE from $SESSION_JWT_ISSUER',
    (recipe) => {
      const others = { WIDGET_COMMUNITY_ID: 'community-1', WIDGET_API_KEY: 'widget-api-key-1' }
      const subjectKey = recipe.SUBJECT_KEY && { SUBJECT_KEY: 'printed-by-openssl' }
      expect(() => loadConfig({ ...others, ...recipe, ...subjectKey })).not.toThrow(ConfigError)
    },
  )

  it('promises only what a test of that name keeps', async () => {
    const promises = [...section('What it protects').matchAll(/^- (.+)$/gm)].map(
      ([, promise = '']) => promise,
    )
    const names = await readdir(join(root, 'test'), { recursive: true })
    const files = names.filter((name) => name.endsWith('.test.ts'))
    const sources = await Promise.all(files.map((name) => readFile(join(root, 'test', name), 'utf8')))
    const kept = new Set(sources.flatMap(titlesOf).map((title) => title.toLowerCase()))
    expect(promises.length).toBeGreaterThan(10)
    expect(promises.filter((promise) => !kept.has(promise.toLowerCase()))).toEqual([])
  })

  it('names the versioned bridge of this version', () => {
    expect(readme).toContain(`/bridge-${version}.js`)
  })
})

describe('the README, by a newcomer with nothing but its commands', () => {
  let clone: string
  const commands = blocks.filter(({ kind }) => kind === 'sh').map(({ text }) => text.trim().split('\n'))

  beforeAll(async () => {
    clone = await mkdtemp(join(tmpdir(), 'token-broker-'))
    const { stdout } = await run('git', ['ls-files'], { cwd: root })
    for (const name of stdout.trim().split('\n')) {
      await cp(join(root, name), join(clone, name), { recursive: true }).catch(ignoreMissing)
    }
    await run('npm', ['ci', '--prefer-offline'], { cwd: clone, env: npmEnvironment() })
  }, 180_000)

  afterAll(() => rm(clone, { recursive: true, force: true }))

  it('sees the demo by its first two commands', async () => {
    expect(commands[0]).toEqual(['npm ci', 'npm run demo'])
    const [port, sandboxPort] = await freePorts()
    const demo = npm(['run', 'demo'], { PORT: String(port), SANDBOX_PORT: String(sandboxPort) })
    const line = await firstLine(demo, /http:\/\/localhost:\d+/)
    const page = await fetch(line)
    expect(page.status).toBe(200)
    expect(await page.text()).toContain('page.js')
    await stop(demo)
  }, 60_000)

  it('starts the broker by its own settings', async () => {
    expect(commands).toContainEqual(['npm run build', 'npm start'])
    const lines = Object.entries({
      ...settings[0],
      SUBJECT_KEY: 'printed-by-openssl',
      PORT: '0',
      HOST: '127.0.0.1',
    })
    await writeFile(join(clone, '.env'), lines.map(([name, value]) => `${name}=${value}`).join('\n'))
    await run('npm', ['run', 'build'], { cwd: clone, env: npmEnvironment() })
    const broker = npm(['start'], { SHUTDOWN_DELAY_MS: '0' })
    const port = await firstLine(broker, /"port":(\d+)/)
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200)
    await stop(broker)
  }, 60_000)

  function npm(args: string[], env: Record<string, string>): ChildProcess {
    return spawn('npm', args, { cwd: clone, env: { ...npmEnvironment(), ...env }, detached: true })
  }
})

/** The environment of a terminal: the Node of this run first, and nothing of the test runner's. */
function npmEnvironment(): Record<string, string> {
  const { PATH = '', HOME = '' } = process.env
  return { PATH: `${dirname(process.execPath)}:${PATH}`, HOME }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}

async function freePorts(): Promise<number[]> {
  const servers = [createServer(), createServer()]
  for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening')
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  for (const server of servers) await once(server.close(), 'close')
  return ports
}

/** What `pattern` matches (its group, where it has one) in the output; fails with that output when the process ends first. */
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

/** npm's children are in its process group: all of them are told. */
async function stop(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  process.kill(-Number(child.pid), 'SIGTERM')
  await exited
}
