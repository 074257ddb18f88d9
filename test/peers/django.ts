import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { findFreePort, startProgram } from './binary.ts'
import { send } from './exchange.ts'

const program = fileURLToPath(new URL('django-app.py', import.meta.url))
/** Debian's own Python, which has Debian's Django. */
const python = '/usr/bin/python3'

/** Why there is no Django to test with, if so. */
export const djangoMissing = whyDjangoMissing()

function whyDjangoMissing(): string | undefined {
  if (spawnSync(python, ['-c', 'import django']).status === 0) return undefined
  if (process.env.CI === 'true') throw new Error('python3-django is not installed')
  return 'skipped: python3-django is not installed'
}

/** An app with Django, and how a browser signs in there. */
export async function startDjango() {
  const port = await findFreePort()
  await startProgram(python, [program, String(port)], /listening/)
  const origin = `http://127.0.0.1:${port}`

  /** The session cookie as a pair. */
  async function signIn(email: string): Promise<string> {
    const { headers } = await send(`${origin}/sign-in?email=${encodeURIComponent(email)}`)
    return headers['set-cookie']![0]!.split(';')[0]!
  }

  return { origin, signIn }
}
