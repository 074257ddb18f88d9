import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { causeOf, explainedCodes } from '../public/causes.js'
import { ConfigError, loadConfig } from '../src/config/config.ts'
import { fromFiles, variableNames, variables } from '../src/config/variables.ts'
import { problemCodes } from '../src/problems.ts'
import { version } from '../src/routes/page.ts'
import { blocksOf, documentNames, parseSettings, readDocument, root } from './peers/documents.ts'
import { isOutcome, isOutcomeOf } from './peers/outcomes.ts'
import { renderProblems } from './peers/problems-page.ts'
import { titlesOf } from './peers/titles.ts'

const documents = await Promise.all(
  documentNames.map(async (name) => ({ name, text: await readDocument(name) })),
)
const textOf = (name: string) => documents.find((document) => document.name === name)!.text
const readme = textOf('README.md')
const rowsOf = (text: string) =>
  [...text.matchAll(/^\| (.+) \|$/gm)].map(([, row = '']) => row.split(' | ').map((cell) => cell.trim()))
const recipes = documents.flatMap(({ name, text }) =>
  blocksOf(text, 'env').map((block, index) => ({ name, index, settings: parseSettings(block) })),
)
const fieldOf: Record<
  string,
  { parse(value: unknown): unknown; safeParse(value: unknown): { data?: unknown } }
> = variables.shape
/** An id and a public key are no secrets, but come from files with those that are. */
const secrets = fromFiles.filter((name) => name !== 'SESSION_JWT_PUBLIC_KEY')

describe('The README', () => {
  it('has at most 170 lines', () => {
    expect(readme.trimEnd().split('\n').length).toBeLessThanOrEqual(170)
  })

  it('names every setting once in its table, with its default', () => {
    const table = readme.split('\n## Settings\n')[1]!.split('\n## ')[0]!
    const listed = rowsOf(table).flatMap(([, cell = '']) =>
      [...cell.matchAll(/`([A-Z_]+)(?:=([^`]*))?`/g)].map(([, name = '', value]) => [name, value] as const),
    )
    expect(listed.map(([name]) => name).sort()).toEqual([...variableNames].sort())
    for (const [name, value] of listed) expectDefault(name, value)
  })
})

describe('docs/settings.md', () => {
  const rows = rowsOf(textOf('docs/settings.md')).filter(([name]) => /^`[A-Z_]+`$/.test(name!))
  const settings = rows.map(([name = '', value = '', meaning = '']) => ({
    name: name.replaceAll('`', ''),
    value: /^`([^`]*)`$/.exec(value)?.[1],
    meaning,
  }))

  it('has one row for every setting', () => {
    expect(settings.map(({ name }) => name).sort()).toEqual([...variableNames].sort())
  })

  it.each(settings)('shows the default of $name', ({ name, value }) => expectDefault(name, value))

  it('marks the settings that hold a secret, and no others', () => {
    const marked = settings.filter(({ meaning }) => meaning.startsWith('Secret.')).map(({ name }) => name)
    expect(marked.sort()).toEqual(secrets.toSorted())
  })
})

/** Compares as the broker reads it. A setting without a default is shown without one. */
function expectDefault(name: string, shown: string | undefined): void {
  const actual = fieldOf[name]!.safeParse(undefined).data
  const read = shown === undefined ? undefined : fieldOf[name]!.parse(shown)
  expect([name, read]).toEqual([name, actual])
}

describe('docs/problems.md', () => {
  // To generate it again: npx vitest run test/docs.test.ts --update
  it('is generated from the texts of the broker and of its page', async () => {
    await expect(renderProblems()).toMatchFileSnapshot('../docs/problems.md')
  })

  it('explains every code to the user of the page', () => {
    expect(explainedCodes).toEqual(expect.arrayContaining(problemCodes))
  })

  it('has every outcome that the page names, under the same code', () => {
    const named = problemCodes.flatMap((code) => {
      const words = causeOf(code).outcomes?.match(/\b[a-z]+_[a-z0-9_]+\b/g) ?? []
      return words.map((word) => [code, word] as const)
    })
    expect(named.length).toBeGreaterThan(20)
    expect(named.filter(([code, word]) => !isOutcomeOf(code, word))).toEqual([])
  })

  it('has every outcome that the source names', async () => {
    const words = await outcomesInSource()
    expect(words.length).toBeGreaterThan(40)
    expect(words.filter((word) => !isOutcome(word))).toEqual([])
  })
})

/** The compiler checks those of requests. This also finds those of other log lines. */
async function outcomesInSource(): Promise<string[]> {
  const names = await readdir(join(root, 'src'), { recursive: true })
  const ours = names.filter((name) => /^(?!doctor|demo|sandbox|bridge|bench|outcomes).*\.ts$/.test(name))
  const sources = await Promise.all(ours.map((name) => readFile(join(root, 'src', name), 'utf8')))
  const places = /\b(?:outcome\??:|outcome =|(?:sessionInvalid|sourceUnavailable|overloaded|reject)\().*/g
  const written = sources.flatMap((source) => source.replaceAll(/OutcomeOf<'\w+'>/g, '').match(places) ?? [])
  return [...new Set(written.flatMap((line) => line.match(/(?<=')[a-z]+(_[a-z0-9]+)*(?=')/g) ?? []))]
}

describe('docs/security.md', () => {
  it('promises only what a test of that name keeps', async () => {
    const promises = [
      ...textOf('docs/security.md')
        .split('\n\n')[2]!
        .matchAll(/^- (.+)$/gm),
    ]
    const names = await readdir(join(root, 'test'), { recursive: true })
    const files = names.filter((name) => name.endsWith('.test.ts'))
    const sources = await Promise.all(files.map((name) => readFile(join(root, 'test', name), 'utf8')))
    const kept = new Set(sources.flatMap(titlesOf).map((title) => title.toLowerCase()))
    expect(promises.length).toBeGreaterThan(10)
    expect(promises.map(([, promise = '']) => promise).filter((one) => !kept.has(one.toLowerCase()))).toEqual(
      [],
    )
  })
})

describe('The documentation', () => {
  it.each(recipes)('has settings that start a broker in $name, block $index', ({ settings }) => {
    const others = { WIDGET_COMMUNITY_ID: 'community-1', WIDGET_API_KEY: 'widget-api-key-1' }
    // Its examples of secrets are refused against any vendor but the sandbox.
    const sandbox = { WIDGET_BASE_URL: 'http://127.0.0.1:4000' }
    expect(() => loadConfig({ ...others, ...settings, ...sandbox })).not.toThrow(ConfigError)
  })

  it('names the versioned bridge of this version', () => {
    expect(textOf('docs/embedding.md')).toContain(`/bridge-${version}.js`)
  })

  it.each(documents)('links from $name only to what is there', ({ name, text }) => {
    const targets = [...text.matchAll(/\]\((?!https?:)([^)]+)\)/g)].map(([, target = '']) => target)
    for (const target of targets) {
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? name : join(dirname(name), path)
      expect([target, existsSync(join(root, file))]).toEqual([target, true])
      if (anchor !== undefined) expect(anchorsOf(textOf(file))).toContain(anchor)
    }
  })
})

/** The anchors that GitHub gives to headings. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}
