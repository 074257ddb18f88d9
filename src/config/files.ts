import { readFileSync } from 'node:fs'

export type Environment = Record<string, string | undefined>

/** What is wrong with one variable. The message never holds a value. */
export interface Fault {
  name: string
  message: string
}

const ownPrefixes = /^(SESSION|WIDGET|RAI)_/
const foreign = /^SESSION_MANAGER$|_SERVICE_HOST$|_SERVICE_PORT(_.*)?$|_PORT(_.*)?$/

/** Drops empty variables and puts the content of each `X_FILE` in the place of `X`. */
export function resolveSources(env: Environment, secrets: readonly string[], faults: Fault[]): Environment {
  const values = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  )
  for (const name of secrets) {
    const path = values[`${name}_FILE`]
    if (path === undefined) continue
    if (values[name] !== undefined) faults.push({ name, message: `is set, and ${name}_FILE too: keep one` })
    values[name] = readSecret(`${name}_FILE`, path, faults)
  }
  return values
}

/** A name with one of our prefixes that we do not know is a typo, and a typo must not disable a check. */
export function findUnknownNames(env: Environment, known: ReadonlySet<string>): Fault[] {
  return Object.keys(env)
    .filter((name) => ownPrefixes.test(name) && !foreign.test(name) && !known.has(name))
    .map((name) => ({ name, message: 'is not a known setting (a typo?)' }))
}

function readSecret(name: string, path: string, faults: Fault[]): string | undefined {
  try {
    const content = readFileSync(path, 'utf8').replace(/\r?\n$/, '')
    if (content !== '') return content
    faults.push({ name, message: 'names an empty file' })
  } catch {
    faults.push({ name, message: 'names a file that cannot be read' })
  }
  return undefined
}
