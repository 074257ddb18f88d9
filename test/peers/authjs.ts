import { send } from './exchange.ts'
import { startApp, whyPackageMissing } from './heavy.ts'

/** Why there is no Auth.js to test with, if so. */
export const authJsMissing = whyPackageMissing('@auth/express')

/** An app with Auth.js, and how a browser signs in there. */
export async function startAuthJs() {
  const origin = await startApp('authjs.mjs')

  /** The session cookie as a pair. */
  async function signIn(email: string): Promise<string> {
    const { headers, body } = await send(`${origin}/api/auth/csrf`)
    const { csrfToken } = JSON.parse(body) as { csrfToken: string }
    const answer = await fetch(`${origin}/api/auth/callback/credentials`, {
      method: 'POST',
      redirect: 'manual',
      headers: { cookie: headers['set-cookie']!.map(toPair).join('; ') },
      body: new URLSearchParams({ csrfToken, email }),
    })
    return answer.headers.getSetCookie().map(toPair).find(isSession)!
  }

  return { origin, signIn }
}

const toPair = (line: string) => line.split(';')[0]!
const isSession = (pair: string) => pair.startsWith('authjs.session-token=')
