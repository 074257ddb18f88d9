import { spawnSync } from 'node:child_process'
import { send } from './exchange.ts'
import { startApp } from './heavy.ts'

/** Debian's own Ruby, which has Debian's Rails. */
const ruby = '/usr/bin/ruby'

/** Why the tests with Rails are skipped, or undefined if they run. */
export const railsMissing = whyRailsMissing()

function whyRailsMissing(): string | undefined {
  if (spawnSync(ruby, ['-e', 'gem "rails"; gem "puma"']).status === 0) return undefined
  if (process.env.CI === 'true') throw new Error('ruby-rails or puma is not installed')
  return 'skipped: ruby-rails or puma is not installed'
}

/** An app with Rails that accepts only https, and how a browser signs in and out there. */
export async function startRails() {
  const origin = await startApp('rails-app.rb', ruby)

  /** Resolves to the session cookie as a pair. */
  async function visit(path: string, cookie = ''): Promise<string> {
    const headers = { 'x-forwarded-proto': 'https', cookie }
    const answer = await send(origin + path, { headers })
    return answer.headers['set-cookie']![0]!.split(';')[0]!
  }

  return {
    origin,
    signIn: (email: string) => visit(`/sign-in?email=${encodeURIComponent(email)}`),
    signOut: (cookie: string) => visit('/sign-out', cookie),
  }
}
