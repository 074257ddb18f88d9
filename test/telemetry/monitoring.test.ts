import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { whyMissing } from '../peers/binary.ts'

const folder = join(import.meta.dirname, '../../deploy/monitoring')
const read = (name: string) => readFileSync(join(folder, name), 'utf8')
const missing = whyMissing('promtool', '--version')

/** What promtool says, and whether it is content. */
function promtool(args: string[], input?: string) {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, cwd: folder, encoding: 'utf8' })
  return { status, said: stdout + stderr }
}

/** Everything that a broker with both doors can expose. */
async function expose(): Promise<string> {
  const { metrics, exposition } = await createMetrics()
  metrics.requestEnded('/widget-token', 'POST', 200, 0.1)
  metrics.sessionVerified('jwt', 'accepted')
  for (const door of ['signin', 'access_key']) {
    metrics.tokenIssued(door, 'vendor')
    metrics.ofDoor(door).vendorAnswered('ok', 0.1)
    metrics.probeEnded(door, true)
  }
  return exposition.read()
}

interface Panel {
  title: string
  targets: { expr: string }[]
}

const { panels }: { panels: Panel[] } = JSON.parse(read('dashboard.json'))
const expressions = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))

describe('The metrics', () => {
  it.skipIf(missing)('are accepted by promtool, including those of Node and the process', async () => {
    expect(promtool(['check', 'metrics'], await expose())).toEqual({ status: 0, said: '' })
  })

  it('have the prefix of the broker unless they are of Node or the process', async () => {
    const names = [...(await expose()).matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name)
    expect(names.filter((name) => !/^(token_broker|nodejs|process)_/.test(name!))).toEqual([])
  })
})

describe('The alert rules', () => {
  it.skipIf(missing)('are accepted by promtool', () => {
    expect(promtool(['check', 'rules', 'alerts.yaml'])).toMatchObject({ status: 0 })
  })

  it.skipIf(missing)('fire when they should, by the unit tests of promtool', () => {
    expect(promtool(['test', 'rules', 'alerts.test.yaml'])).toMatchObject({ status: 0 })
  })
})

describe('The dashboard', () => {
  it.skipIf(missing)('has only queries that Prometheus understands', () => {
    const rules = expressions.map((expr, index) => ({ record: `panel:${index}`, expr }))
    const file = join(mkdtempSync(join(tmpdir(), 'rules-')), 'panels.yaml')
    // JSON is YAML.
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'panels', rules }] }))
    expect(promtool(['check', 'rules', file])).toMatchObject({ status: 0 })
  })

  it('gives each panel a title and a place of its own', () => {
    const { panels: placed } = JSON.parse(read('dashboard.json'))
    const places = placed.map(({ gridPos: { x, y } }: { gridPos: { x: number; y: number } }) => `${x} ${y}`)
    expect(new Set(places).size).toBe(panels.length)
    expect(panels.filter(({ title }) => title === '')).toEqual([])
  })
})

describe('Each metric in deploy/monitoring', () => {
  it('is a metric that the broker exposes', async () => {
    const exposition = await expose()
    const named = `${expressions.join('\n')}\n${read('alerts.yaml')}`.match(
      /\b(token_broker|nodejs|process)_\w+/g,
    )
    expect(new Set(named).size).toBeGreaterThan(8)
    for (const name of new Set(named)) expect(exposition).toMatch(new RegExp(`^${name}[ {]`, 'm'))
  })
})
