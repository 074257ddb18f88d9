import { SecretFileError } from './secret-file.ts'

export type Environment = Record<string, string | undefined>

/** What is wrong with one variable. The message never holds a value. */
export interface Fault {
  name: string
  message: string
}

/** The content of the file that is named for a secret. Throws `SecretFileError`. */
export type ReadSecret = (path: string, name: string) => string

interface SecretSource {
  names: readonly string[]
  read: ReadSecret
}

/** Drops empty variables, and sets `X` to the content of each `X_FILE`. */
export function resolveSources(env: Environment, secrets: SecretSource, faults: Fault[]): Environment {
  const values = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  )
  addLowerCaseProxy(values)
  for (const name of secrets.names) {
    const path = values[`${name}_FILE`]
    if (path === undefined) continue
    if (values[name] !== undefined)
      faults.push({ name, message: `is set together with ${name}_FILE: keep one of them` })
    const found = readSecret(secrets.read, path, name)
    if ('message' in found) faults.push({ name: `${name}_FILE`, message: found.message })
    else values[name] = found.content
  }
  return values
}

/** Lower-case names, as curl and most clients read them. The upper-case names take precedence. */
function addLowerCaseProxy(values: Environment): void {
  if (values.HTTPS_PROXY_FILE === undefined) values.HTTPS_PROXY ??= values.https_proxy || undefined
  values.NO_PROXY ??= values.no_proxy || undefined
}

function readSecret(read: ReadSecret, path: string, name: string): { content: string } | { message: string } {
  try {
    const content = read(path, name)
    return content === '' ? { message: 'names an empty file' } : { content }
  } catch (error) {
    if (!(error instanceof SecretFileError)) throw error
    return { message: error.message }
  }
}

/** Faults for those of these variables that are not given. */
export function required(values: Environment, names: readonly string[], message: string): Fault[] {
  return names.filter((name) => !isGiven(values, name)).map((name) => ({ name, message }))
}

/** Also by a file that cannot be used, which has a fault of its own. */
export function isGiven(values: Environment, name: string): boolean {
  return values[name] !== undefined || values[`${name}_FILE`] !== undefined
}
