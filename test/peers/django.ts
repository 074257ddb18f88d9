import { spawnSync } from 'node:child_process'
import { send } from './exchange.ts'
import { startApp } from './heavy.ts'

/** Debian's own Python, which has Debian's Django. */
const python = '/usr/bin/python3'

/** Why the tests with Django are skipped, or undefined if they run. */
export const djangoMissing = whyDjangoMissing()

function whyDjangoMissing(): string | undefined {
  if (spawnSync(python, ['-c', 'import django']).status === 0) return undefined
  if (process.env.CI === 'true') throw new Error('python3-django is not installed')
  return 'skipped: python3-django is not installed'
}

/** An app with Django, and how a browser signs in and out there. */
export async function startDjango() {
  const origin = await startApp('django-app.py', python)

  /** The session cookie as a pair. */
  async function signIn(email: string): Promise<string> {
    const { headers } = await send(`${origin}/sign-in?email=${encodeURIComponent(email)}`)
    return headers['set-cookie']![0]!.split(';')[0]!
  }

  async function signOut(cookie: string): Promise<string> {
    const { headers } = await send(`${origin}/sign-out`, { headers: { cookie } })
    return headers['set-cookie']![0]!.split(';')[0]!
  }

  return { origin, signIn, signOut }
}
