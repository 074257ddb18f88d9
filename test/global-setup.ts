import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findEngines } from './browser/engines/installed.ts'

const root = join(import.meta.dirname, '..')

/** What all tests need: a build to start processes from, and a temporary folder of their own, gone at the end. */
export function setup(): () => void {
  build()
  const { running, missing } = findEngines()
  process.stdout.write([`Browsers: ${running.join(', ')}`, ...missing, ''].join('\n'))
  const folder = mkdtempSync(join(tmpdir(), 'token-broker-'))
  process.env.TMPDIR = folder
  return () => rmSync(folder, { recursive: true, force: true })
}

/** Builds unless the build is newer than every source. Types are checked elsewhere. */
function build(): void {
  const entries = ['dist/server.js', 'dist/public/bridge.js.gz'].map((name) => join(root, name))
  const oldest = Math.min(...entries.map((entry) => (existsSync(entry) ? statSync(entry).mtimeMs : 0)))
  const sources = ['src', 'public', 'package.json', 'build.js'].map((name) => join(root, name))
  if (oldest > Math.max(...sources.flatMap(timesIn))) return
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  for (const args of [[compiler, '--noCheck'], [join(root, 'build.js')]])
    spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
}

function timesIn(path: string): number[] {
  const names = statSync(path).isDirectory() ? readdirSync(path, { recursive: true, encoding: 'utf8' }) : ['']
  return names.map((name) => statSync(join(path, name)).mtimeMs)
}
