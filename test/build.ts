import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')

/** Builds what the process tests start, unless it is newer than every source. Types are checked elsewhere. */
export function setup(): void {
  const entry = join(root, 'dist/server.js')
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  const newest = Math.max(...sources.map((name) => statSync(join(root, 'src', name)).mtimeMs))
  if (existsSync(entry) && statSync(entry).mtimeMs > newest) return
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  spawnSync(process.execPath, [compiler, '--noCheck'], { cwd: root, stdio: 'inherit' })
}
