import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { whyMissing } from '../peers/binary.ts'
import { atEnd } from '../peers/clean-up.ts'
import { root } from '../peers/documents.ts'

const missing = whyMissing('systemd-analyze', '--version')
const unit = readFileSync(join(root, 'deploy/token-broker.service'), 'utf8')
const valuesOf = (name: string) =>
  [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value!)

/** What systemd says of the unit, with this Node in place of the one of the unit. */
function analyze(...args: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'unit-'))
  atEnd(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'token-broker.service')
  writeFileSync(file, unit.replace('/usr/bin/node', process.execPath))
  const { status, stdout, stderr } = spawnSync('systemd-analyze', [...args, file], { encoding: 'utf8' })
  return { status, said: stdout + stderr }
}

describe('The unit for systemd', () => {
  it.skipIf(missing)(`is understood by systemd ${missing ?? ''}`, () => {
    expect(analyze('verify')).toEqual({ status: 0, said: '' })
  })

  it.skipIf(missing)(`has an exposure of at most 1.5 of 10, as systemd rates it ${missing ?? ''}`, () => {
    const { status, said } = analyze('security', '--offline=true', '--threshold=15')
    expect([status, said]).toEqual([0, expect.stringContaining('OK')])
  })

  it('starts node as npm start and the image do', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    expect(valuesOf('ExecStart')).toEqual([`/usr/bin/${scripts.start}`])
  })

  it('says which mode the files of the secrets need', () => {
    expect(unit).toContain('chown root:token-broker /etc/token-broker/* && chmod 0440 /etc/token-broker/*')
    expect(valuesOf('Environment')).toContain('SUBJECT_KEY_FILE=/etc/token-broker/subject-key')
    expect([valuesOf('User'), valuesOf('Group')]).toEqual([['token-broker'], ['token-broker']])
  })

  it('gives the broker more time for its last answers than it needs', () => {
    expect(Number(valuesOf('TimeoutStopSec')[0])).toBeGreaterThan(8)
  })
})
