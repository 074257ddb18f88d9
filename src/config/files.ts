import { readFileSync } from 'node:fs'

export type Environment = Record<string, string | undefined>

/** What is wrong with one variable. The message never holds a value. */
export interface Fault {
  name: string
  message: string
}

/** Drops empty variables, and sets `X` to the content of each `X_FILE`. */
export function resolveSources(env: Environment, secrets: readonly string[], faults: Fault[]): Environment {
  const values = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  )
  addLowerCaseProxy(values)
  for (const name of secrets) {
    const path = values[`${name}_FILE`]
    if (path === undefined) continue
    if (values[name] !== undefined)
      faults.push({ name, message: `is set together with ${name}_FILE: keep one of them` })
    values[name] = readSecret(`${name}_FILE`, path, faults)
  }
  return values
}

/** Lower-case names, as curl and most clients read them. The upper-case names take precedence. */
function addLowerCaseProxy(values: Environment): void {
  if (values.HTTPS_PROXY_FILE === undefined) values.HTTPS_PROXY ??= values.https_proxy || undefined
  values.NO_PROXY ??= values.no_proxy || undefined
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

/** Faults for those of these variables that are not given. */
export function required(values: Environment, names: readonly string[], message: string): Fault[] {
  return names.filter((name) => !isGiven(values, name)).map((name) => ({ name, message }))
}

/** Also by a file that cannot be used, which has a fault of its own. */
export function isGiven(values: Environment, name: string): boolean {
  return values[name] !== undefined || values[`${name}_FILE`] !== undefined
}
