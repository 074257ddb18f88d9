import { readFileSync } from 'node:fs'
import { parse } from 'dotenv'
import { ConfigError, loadConfig, type Config } from './config.ts'
import type { Environment, Fault } from './files.ts'
import { findCutValues } from './slips.ts'

/**
 * Reads the configuration from `env` and from `.env` in the current folder. Values in `env` take precedence,
 * and it receives the others. Throws `ConfigError` with all faults of both.
 */
export function loadWithEnvFile(env: Environment): Config {
  const faults = readEnvFile(env)
  try {
    const config = loadConfig(env)
    if (faults.length === 0) return config
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    faults.push(...error.faults)
  }
  throw new ConfigError(faults)
}

function readEnvFile(env: Environment): Fault[] {
  try {
    const text = readFileSync('.env', 'utf8')
    const faults = findCutValues(text, env)
    for (const [name, value] of Object.entries(parse(text))) env[name] ??= value
    return faults
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? [] : [{ name: '.env', message: `cannot be read (${code})` }]
  }
}
