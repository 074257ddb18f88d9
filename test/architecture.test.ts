import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '../src')
const require = createRequire(import.meta.url)

/** Each room may import those behind it. */
const floors = [
  [
    'server.ts',
    'start.ts',
    'shutdown.ts',
    'broker.ts',
    'app.ts',
    'routes',
    'tokens.ts',
    'returning-ai',
    'config',
    'session',
  ],
  ['http', 'outbound', 'telemetry', 'problems.ts', 'lib', 'outcomes.ts'],
].flat()
/** Nothing imports these; each may import any floor that it names, and those below. */
const leaves: Record<string, readonly string[]> = {
  doctor: ['config', 'returning-ai', 'routes'],
  demo: ['broker.ts', 'sandbox'],
  sandbox: [],
  bridge: [],
  bench: [],
}
const entries = /^(server\.ts|start\.ts|\w+\/main\.ts|bench\/.*)$/
const fence = 'outbound/undici.ts'

const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ name, text: readFileSync(join(root, name), 'utf8') }))

const roomOf = (name: string) => name.split('/')[0]!
const imports = files.flatMap(({ name, text }) =>
  [...text.matchAll(/(?:\bfrom |\bimport |\b(?:import|require)\()'([^']+)'/g)].map(([, target = '']) => ({
    name,
    target: target.startsWith('.') ? relative(root, join(root, name, '..', target)) : target,
    ours: target.startsWith('.'),
  })),
)

function mayImport(from: string, to: string): boolean {
  if (from === to) return true
  // The public types of what is bundled into public/.
  if (from === 'bridge' && to === '..') return true
  if (from === 'lib') return false
  if (from === 'problems.ts') return to === 'outcomes.ts'
  const doors = leaves[from]
  if (doors?.includes(to)) return true
  const reach = doors === undefined ? [from] : doors
  return reach.some((door) => floors.includes(door) && floors.indexOf(to) > floors.indexOf(door))
}

const describeImport = ({ name, target }: { name: string; target: string }) => `${name} imports ${target}`

describe('The source', () => {
  it('has no folder that the layer order does not list', () => {
    const rooms = new Set(files.map(({ name }) => roomOf(name)))
    expect([...rooms].filter((room) => !floors.includes(room) && leaves[room] === undefined)).toEqual([])
  })

  it('imports in one direction only, and never from a leaf', () => {
    const upward = imports.filter(
      ({ name, target, ours }) => ours && !mayImport(roomOf(name), roomOf(target)),
    )
    expect(imports.length).toBeGreaterThan(100)
    expect(upward.map(describeImport)).toEqual([])
  })

  it('connects to the network and to Redis only in outbound/ and in the bench', () => {
    const clients = imports.filter(({ target }) => /^(undici|@redis\/client|node:https)(\/|$)/.test(target))
    const strays = clients.filter(({ name }) => !/^(outbound|bench)\//.test(name))
    expect(clients.length).toBeGreaterThan(3)
    expect(strays.map(describeImport)).toEqual([])
  })

  it('imports the internals of a package in one fenced file only', () => {
    const deep = imports.filter(
      ({ name, target, ours }) =>
        !ours && name !== fence && /^(@[^/]+\/)?[^/:@]+\//.test(target) && !isExported(target),
    )
    expect(deep.map(describeImport)).toEqual([])
  })

  it('imports only paths that undici exports there', () => {
    const whole = Object.values(require('undici') as Record<string, unknown>)
    const paths = imports.filter(({ name, target }) => name === fence && target.startsWith('undici/'))
    expect(paths.length).toBeGreaterThan(0)
    for (const { target } of paths) expect(whole).toContain(require(target))
  })

  it('imports node:http in the broker for its types only', () => {
    const inBroker = files.filter(({ name }) => leaves[roomOf(name)] === undefined)
    const importing = inBroker.filter(({ text }) => / from 'node:http'/.test(text))
    const values = importing.filter(({ text }) => /^import (?!type ).* from 'node:http'/m.test(text))
    expect(importing.length).toBeGreaterThan(3)
    expect(values.map(({ name }) => name)).toEqual([])
  })

  it('uses the process global only in its entry points', () => {
    const touching = files
      .filter(({ text }) => /(?<!\.)\bprocess\.|'node:process'/.test(withoutComments(text)))
      .map(({ name }) => name)
    expect(touching).toContain('server.ts')
    expect(touching.filter((name) => !entries.test(name))).toEqual([])
  })
})

/** Whether the package offers a path below its name. Without a map of exports, Node finds any file of it. */
function isExported(target: string): boolean {
  const [name = ''] = /^(?:@[^/]+\/)?[^/]+/.exec(target) ?? []
  const manifest = readFileSync(join(root, '../node_modules', name, 'package.json'), 'utf8')
  const { exports } = JSON.parse(manifest) as { exports?: object }
  return exports !== undefined && canResolve(target)
}

function canResolve(target: string): boolean {
  try {
    return require.resolve(target) !== ''
  } catch {
    return false
  }
}

const withoutComments = (text: string) => text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
