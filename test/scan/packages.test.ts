import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from '../peers/documents.ts'

interface Lock {
  packages: Record<string, { dev?: boolean; link?: boolean }>
}

const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock
const shipped = Object.entries(packages)
  .filter(([path, { dev, link }]) => path.startsWith('node_modules/') && !dev && !link)
  .map(([path]) => path)

/** These only require that their text is included. */
const permissive = new Set([
  'MIT',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  '0BSD',
  'BlueOak-1.0.0',
])

function licenceOf(path: string): unknown {
  return JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8')).license
}

describe('The packages that the image has', () => {
  it('all have a permissive licence', () => {
    expect(shipped.length).toBeGreaterThan(50)
    const others = shipped.filter((path) => !permissive.has(String(licenceOf(path))))
    expect(others).toEqual([])
  })

  it('have no vulnerability that npm audit knows', async ({ skip }) => {
    const { message, metadata } = await audit()
    // Not every registry has advisories, and a test must also run without the internet.
    if (metadata === undefined) skip(`no advisories: ${message ?? 'no answer'}`)
    expect(metadata?.vulnerabilities.total).toBe(0)
  })
})

interface Audit {
  metadata?: { vulnerabilities: { total: number } }
  message?: string
}

/** It exits with an error if it finds something, and if it gets no answer. */
function audit(): Promise<Audit> {
  const args = ['audit', '--omit=dev', '--json', '--fetch-retries=0', '--fetch-timeout=20000']
  return new Promise((resolve) => {
    execFile('npm', args, { cwd: root }, (_error, stdout) => resolve(JSON.parse(stdout || '{}') as Audit))
  })
}
