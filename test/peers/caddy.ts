import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startProgram, whyMissing } from './binary.ts'
import { atEnd } from './clean-up.ts'

/** Why the tests with Caddy are skipped, or undefined if they run. */
export const caddyMissing = whyMissing('caddy', 'version')

/** A real Caddy with this site, until the test is over. */
export async function startCaddyWith(site: string): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'caddy-'))
  atEnd(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'Caddyfile')
  // Nothing outside of the folder, and no port but the site's own.
  const own = ['admin off', 'auto_https disable_redirects', `storage file_system ${directory}`]
  writeFileSync(file, `{\n${own.join('\n')}\n}\n${site}`)
  const caddy = [`XDG_CONFIG_HOME=${directory}`, 'caddy', 'run', '--config', file, '--adapter', 'caddyfile']
  await startProgram('env', caddy, /serving initial/)
}
