import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')

/** What all tests need: a build to start processes from, and a temporary folder of their own, gone at the end. */
export function setup(): () => void {
  build()
  const folder = mkdtempSync(join(tmpdir(), 'token-broker-'))
  process.env.TMPDIR = folder
  return () => rmSync(folder, { recursive: true, force: true })
}

/** Builds unless the build is newer than every source. Types are checked elsewhere. */
function build(): void {
  const entry = join(root, 'dist/server.js')
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  const newest = Math.max(...sources.map((name) => statSync(join(root, 'src', name)).mtimeMs))
  if (existsSync(entry) && statSync(entry).mtimeMs > newest) return
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  spawnSync(process.execPath, [compiler, '--noCheck'], { cwd: root, stdio: 'inherit' })
}
