import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startProgram, whyMissing } from './binary.ts'
import { atEnd } from './clean-up.ts'

/** Why the tests with Apache are skipped, or undefined if they run. */
export const apacheMissing = whyMissing('apache2', '-v')

/** Those that Debian loads by itself, and those that the comment in our example loads. */
const modules = ['mpm_event', 'authz_core', 'socache_shmcb', 'ssl', 'headers', 'proxy', 'proxy_http']

/** A real Apache on a port with this site, until the test is over. */
export async function startApacheWith(site: string, port: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'apache-'))
  atEnd(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'apache.conf')
  writeFileSync(file, `${configuration(directory, port)}\n${site}`)
  await startProgram('apache2', ['-D', 'FOREGROUND', '-f', file], /resuming normal operations/)
}

function configuration(directory: string, port: number): string {
  return `
    ServerRoot ${directory}
    DefaultRuntimeDir ${directory}
    PidFile ${directory}/apache.pid
    # A file descriptor that is a socket cannot be opened by a name.
    ErrorLog "|/bin/cat"
    ServerName localhost
    User www-data
    Group www-data
    ${modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
    Listen 127.0.0.1:${port}
  `
}
