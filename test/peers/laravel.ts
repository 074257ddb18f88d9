import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findFreePort, startProgram } from './binary.ts'
import { atEnd } from './clean-up.ts'
import { send } from './exchange.ts'

/** Debian's own PHP, which has Debian's Laravel. */
const php = '/usr/bin/php'
const app = join(import.meta.dirname, 'laravel-app.php')

/** Why the tests with Laravel are skipped, or undefined if they run. */
export const laravelMissing = whyLaravelMissing()

function whyLaravelMissing(): string | undefined {
  const code = 'require "Illuminate/autoload.php"; exit(extension_loaded("pdo_sqlite") ? 0 : 1);'
  if (spawnSync(php, ['-r', code]).status === 0) return undefined
  const message = 'php-cli, php-laravel-framework or php-sqlite3 is not installed'
  if (process.env.CI === 'true') throw new Error(message)
  return `skipped: ${message}`
}

/** An app with Laravel, and how a browser signs in and out there. */
export async function startLaravel() {
  const folder = mkdtempSync(join(tmpdir(), 'laravel-'))
  atEnd(() => rmSync(folder, { recursive: true }))
  const address = `127.0.0.1:${await findFreePort()}`
  const origin = `http://${address}`
  await startProgram(php, ['-S', address, '-t', folder, app], /Development Server .* started/)

  /** The session cookie as a pair. */
  async function signIn(email: string, verified: 'yes' | 'no' = 'yes'): Promise<string> {
    const { headers } = await send(`${origin}/sign-in?${new URLSearchParams({ email, verified })}`)
    return headers['set-cookie']![0]!.split(';')[0]!
  }

  async function signOut(cookie: string): Promise<string> {
    const { headers } = await send(`${origin}/sign-out`, { headers: { cookie } })
    return headers['set-cookie']![0]!.split(';')[0]!
  }

  return { origin, signIn, signOut }
}
