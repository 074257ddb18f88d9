import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { build } from 'esbuild'
import { parse } from 'yaml'
import { atEnd } from '../peers/clean-up.ts'
import { root } from '../peers/documents.ts'
import { whyPackageMissing } from '../peers/heavy.ts'
import { shellEnvironment } from '../peers/shell.ts'

interface Step {
  uses?: string
  run?: string
}

const run = promisify(execFile)
const read = (name: string) => readFileSync(join(root, name), 'utf8')
const text = read('.github/workflows/release.yml')
const { jobs, permissions } = parse(text)
const steps: Step[] = [...jobs.test.steps, ...jobs.publish.steps]
const commands = steps.flatMap((step) => (step.run ?? '').split('\n'))
const missing = whyPackageMissing('@actions/workflow-parser')

let folder: string
const readList = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'))

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'release-'))
  atEnd(() => rm(folder, { recursive: true }))
})

describe('The release workflow', () => {
  it.skipIf(missing)(`is understood by GitHub's own parser ${missing ?? ''}`, async () => {
    // The package is made for bundlers: it imports JSON without saying so.
    const outfile = join(folder, 'parser.mjs')
    const entryPoints = [join(root, 'test/peers/node_modules/@actions/workflow-parser/dist/index.js')]
    await build({ entryPoints, outfile, bundle: true, format: 'esm', platform: 'node', logLevel: 'error' })
    const parser = await import(pathToFileURL(outfile).href)
    const trace = { info: () => undefined, verbose: () => undefined, error: () => undefined }
    const { context, value } = parser.parseWorkflow({ name: 'release.yml', content: text }, trace)
    await parser.convertWorkflowTemplate(context, value)
    expect(context.errors.getErrors().map(String)).toEqual([])
  })

  it('pins every action to a commit', () => {
    const used = [...text.matchAll(/^ +(?:- )?uses: (.+)$/gm)].map(([, action]) => action!)
    expect(used).toHaveLength(steps.filter(({ uses }) => uses !== undefined).length)
    expect(used.filter((action) => !/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action))).toEqual(
      [],
    )
  })

  it('publishes only what it has tested, and gives the tests no rights', () => {
    expect(jobs.publish.needs).toBe('test')
    expect([permissions, jobs.test.permissions]).toEqual([{}, { contents: 'read' }])
    expect(commands).toContain('bash .ci/run')
  })

  it('tests on the Node of the image', () => {
    expect(jobs.test.container).toBe(`node:${read('.node-version').trim()}-bookworm`)
  })

  it('puts no text from a stranger into a command', () => {
    expect(commands.filter((command) => command.includes('${{'))).toEqual([])
  })
})

describe('The list of packages', () => {
  const { packages, version } = JSON.parse(read('package-lock.json'))
  const production = Object.entries<{ version: string; dev?: boolean; link?: boolean }>(packages)
    .filter(([path, { dev, link }]) => path.startsWith('node_modules/') && dev !== true && link !== true)
    .map(([path, { version: own }]) => `${path.replace(/^.*node_modules\//, '')}@${own}`)

  beforeAll(async () => {
    await run('bash', [join(root, '.github/sbom.sh'), folder], { env: shellEnvironment() })
  })

  it('has every package of the image and no other, in CycloneDX', () => {
    const { bomFormat, metadata, components } = readList('sbom.cdx.json')
    expect([bomFormat, metadata.component.version]).toEqual(['CycloneDX', version])
    const names = components.map((component: { 'bom-ref': string }) => component['bom-ref'])
    expect(names.sort()).toEqual([...new Set(production)].sort())
    expect(names.length).toBeGreaterThan(50)
  })

  it('has every package of the image and no other, in SPDX', () => {
    const { spdxVersion, packages: listed } = readList('sbom.spdx.json')
    expect(spdxVersion).toMatch(/^SPDX-2/)
    const names = listed.map(
      ({ name, versionInfo }: { name: string; versionInfo: string }) => `${name}@${versionInfo}`,
    )
    expect(names.sort()).toEqual([...new Set(production), `returning-ai-token-broker@${version}`].sort())
  })
})
