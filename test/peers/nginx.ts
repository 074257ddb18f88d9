import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { atEnd } from './clean-up.ts'
import { endProgram, findFreePort, startProgram, whyMissing } from './binary.ts'

/** Why the tests with nginx are skipped, or undefined if they run. */
export const nginxMissing = whyMissing('nginx', '-v')

export interface Nginx {
  origin: string
  close(): Promise<void>
}

/** A real nginx on a free port, with these lines in its `server` block, and before it in `http`. */
export async function startNginx(server: string, http = ''): Promise<Nginx> {
  const port = await findFreePort()
  const close = await startNginxWith(`${http}\nserver { listen 127.0.0.1:${port}; ${server} }`)
  return { origin: `http://127.0.0.1:${port}`, close }
}

/** A real nginx with these lines in `http`. The returned function ends it; the end of the test does so too. */
export async function startNginxWith(http: string): Promise<() => Promise<void>> {
  const directory = mkdtempSync(join(tmpdir(), 'nginx-'))
  // Started by root, its worker is another user.
  chmodSync(directory, 0o755)
  const file = join(directory, 'nginx.conf')
  writeFileSync(file, configuration(directory, http))
  const args = ['-p', directory, '-e', 'stderr', '-c', file]
  const child = await startProgram('nginx', args, /start worker process \d/)
  return atEnd(async () => {
    await endProgram(child, 'SIGTERM')
    rmSync(directory, { recursive: true, force: true })
  })
}

function configuration(directory: string, http: string): string {
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `
    daemon off;
    worker_processes 1;
    pid ${directory}/nginx.pid;
    error_log stderr notice;
    events { worker_connections 1024; }
    http {
      access_log off;
      ${places.map((place) => `${place}_temp_path ${directory}/${place};`).join('\n')}
      ${http}
    }
  `
}
