import { startApp, whyPackageMissing } from './heavy.ts'

/** Why the tests with Next.js are skipped, or undefined if they run. */
export const nextMissing = whyPackageMissing('next')

/** An app with Next.js, which sends visitors without a session to its sign-in page. */
export async function startNext() {
  const origin = await startApp('next/server.mjs')
  return {
    origin,
    signIn: async (email: string) => `session=${email}`,
    signOut: async (cookie: string) => cookie.replace('=', '=ended.'),
  }
}
