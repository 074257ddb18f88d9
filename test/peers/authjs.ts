import { send } from './exchange.ts'
import { startApp, whyPackageMissing } from './heavy.ts'

/** Why the tests with Auth.js are skipped, or undefined if they run. */
export const authJsMissing = whyPackageMissing('@auth/express')

/** A proxy in front of the app speaks https. Auth.js names its cookies by that. */
const proxied = { 'x-forwarded-proto': 'https', 'content-type': 'application/x-www-form-urlencoded' }

/** An app with Auth.js, and how a browser signs in and out there. */
export async function startAuthJs() {
  const origin = await startApp('authjs.mjs')

  /** Submits a form of Auth.js, and resolves to the session cookie as a pair. */
  async function submit(path: string, cookie: string, fields: Record<string, string>): Promise<string> {
    const { headers, body } = await send(`${origin}/api/auth/csrf`, { headers: proxied })
    const { csrfToken } = JSON.parse(body) as { csrfToken: string }
    const cookies = [cookie, ...headers['set-cookie']!.map(toPair)].join('; ')
    const answer = await send(`${origin}/api/auth/${path}`, {
      method: 'POST',
      headers: { ...proxied, cookie: cookies },
      body: new URLSearchParams({ csrfToken, ...fields }).toString(),
    })
    return answer.headers['set-cookie']!.map(toPair).find(isSession)!
  }

  return {
    origin,
    signIn: (email: string) => submit('callback/credentials', '', { email }),
    signOut: (cookie: string) => submit('signout', cookie, {}),
  }
}

const toPair = (line: string) => line.split(';')[0]!
const isSession = (pair: string) => pair.startsWith('__Secure-authjs.session-token=')
