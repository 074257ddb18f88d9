import { readFileSync, statSync } from 'node:fs'
import { platform } from 'node:os'
import { dirname, join } from 'node:path'
import { parse } from 'dotenv'
import type { Config } from '../config/config.ts'
import { fromFiles } from '../config/variables.ts'
import { fail, pass, warn, type Finding, type Patient } from './check.ts'
import { findTrackedFilesWith } from './tracked-files.ts'

/** Everything the broker itself would refuse to start with. */
export function checkConfig({ config, faults }: Patient): Finding {
  if (config !== undefined) return pass('The configuration is valid.')
  const seen = faults.map(({ name, message }) => `${name} ${message}`).join('; ')
  return fail(seen, 'Fix each of these settings. docs/settings.md explains them.')
}

/** Whether anybody but the broker could read a secret. */
export function checkKeySource(config: Config, { env, cwd }: Patient): Finding {
  const files = secretFiles(env)
  const open = files.filter(({ path }) => isOpenToOthers(path))
  if (open.length > 0) {
    const seen = open.map(({ name }) => `${name} names a file that every user of this machine can read`)
    return fail(`${seen.join('; ')}.`, 'Remove read access for others: chmod o-rwx, or mode 0440.')
  }
  const folders = [cwd, ...files.map(({ path }) => dirname(path))]
  const tracked = findTrackedFilesWith(config.secrets, folders)
  if (tracked.length > 0) {
    const advice =
      'Remove it there, add the file to .gitignore, and replace the secret, because it is in the history.'
    return fail(`A secret is in a file that git tracks: ${tracked.join(', ')}.`, advice)
  }
  if (holdsSecret(join(cwd, '.env'), config.secrets) && isOpenToOthers(join(cwd, '.env')))
    return warn('.env holds secrets, and every user of this machine can read it.', 'Run chmod 600 .env.')
  return pass(describeSources(env, files))
}

interface SecretFile {
  name: string
  path: string
}

function secretFiles(env: Patient['env']): SecretFile[] {
  return fromFiles.flatMap((secret) => {
    const name = `${secret}_FILE`
    const path = env[name]
    return path ? [{ name, path }] : []
  })
}

function isOpenToOthers(path: string): boolean {
  return platform() !== 'win32' && (statSync(path).mode & 0o007) !== 0
}

function holdsSecret(path: string, secrets: readonly string[]): boolean {
  try {
    const values = Object.values(parse(readFileSync(path))).join('\n')
    return secrets.some((secret) => values.includes(secret))
  } catch {
    return false
  }
}

function describeSources(env: Patient['env'], files: readonly SecretFile[]): string {
  const given = fromFiles.filter((name) => env[name])
  const parts = [
    given.length > 0 ? `from the environment: ${given.join(', ')}` : '',
    files.length > 0 ? `from files that others cannot read: ${files.map(({ name }) => name).join(', ')}` : '',
  ]
  return `Secrets ${parts.filter((part) => part !== '').join('; ')}. No file that git tracks holds one.`
}
