import { spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { searchable } from './secrets.ts'

const maxFileBytes = 1024 * 1024

/** The files under version control that hold one of these secrets, by their names in the repository. */
export function findTrackedFilesWith(secrets: readonly string[], folders: readonly string[]): string[] {
  const sought = searchable(secrets)
  const repositories = new Set(folders.flatMap(repositoryOf))
  return [...repositories].flatMap((root) =>
    git(root, 'ls-files', '-z')
      .split('\0')
      .filter((name) => name !== '' && holdsAny(join(root, name), sought)),
  )
}

function repositoryOf(folder: string): string[] {
  const root = git(folder, 'rev-parse', '--show-toplevel').trim()
  return root === '' ? [] : [root]
}

/** What git prints; empty if there is no git, or no repository. */
function git(folder: string, ...args: string[]): string {
  const { stdout } = spawnSync('git', ['-C', folder, ...args], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  return stdout ?? ''
}

function holdsAny(path: string, secrets: readonly string[]): boolean {
  try {
    if (statSync(path).size > maxFileBytes) return false
    const content = readFileSync(path, 'utf8')
    return secrets.some((secret) => content.includes(secret))
  } catch {
    return false
  }
}
