import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { findFreePort, startProgram } from './binary.ts'
import { send } from './exchange.ts'

const program = fileURLToPath(new URL('authjs.mjs', import.meta.url))

/** Why there is no Auth.js to test with, if so. */
export const authJsMissing = whyPeersMissing()

/** The heavy peers are not in the root's `npm ci`. */
function whyPeersMissing(): string | undefined {
  if (existsSync(new URL('node_modules/@auth/express', import.meta.url))) return undefined
  if (process.env.CI === 'true') throw new Error('run npm ci --prefix test/peers')
  return 'skipped: run npm ci --prefix test/peers'
}

/** An app with Auth.js, and how a browser signs in there. */
export async function startAuthJs() {
  const port = await findFreePort()
  await startProgram(process.execPath, [program, String(port)], /listening/)
  const origin = `http://127.0.0.1:${port}`

  /** The session cookie as a pair. */
  async function signIn(email: string): Promise<string> {
    const { headers, body } = await send(`${origin}/api/auth/csrf`)
    const { csrfToken } = JSON.parse(body) as { csrfToken: string }
    const form = new URLSearchParams({ csrfToken, email })
    const answer = await fetch(`${origin}/api/auth/callback/credentials`, {
      method: 'POST',
      redirect: 'manual',
      headers: { cookie: headers['set-cookie']!.map(toPair).join('; ') },
      body: form,
    })
    return answer.headers.getSetCookie().map(toPair).find(isSession)!
  }

  return { origin, signIn }
}

const toPair = (line: string) => line.split(';')[0]!
const isSession = (pair: string) => pair.startsWith('authjs.session-token=')
