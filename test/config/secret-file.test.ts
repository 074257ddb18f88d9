import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { readSecretFile } from '../../src/config/secret-file.ts'
import { atEnd } from '../peers/clean-up.ts'

const nobody = 65_534

/** Runs work as a user who is not root: root may read everything. */
function asNobody(work: () => unknown): unknown {
  if (process.getuid?.() !== 0) return work()
  process.seteuid?.(nobody)
  try {
    return work()
  } finally {
    process.seteuid?.(0)
  }
}

it('A file that the broker may not read is reported with its mode and owner', () => {
  // Not in the folder of this run, which nobody else may enter.
  const folder = mkdtempSync('/tmp/secret-')
  atEnd(() => rmSync(folder, { recursive: true }))
  chmodSync(folder, 0o711)
  const file = join(folder, 'key')
  writeFileSync(file, 'planted')
  chmodSync(file, 0o200)
  const owner = `owned by uid ${process.getuid?.()} and gid ${process.getgid?.()}`
  expect(() => asNobody(() => readSecretFile(file))).toThrow(
    `names a file that cannot be read (EACCES, mode 0200, ${owner})`,
  )
})
