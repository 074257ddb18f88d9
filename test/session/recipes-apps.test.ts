import { readFile } from 'node:fs/promises'
import type { Express } from 'express'
import { beforeAll, describe, expect, it } from 'vitest'
import { authJsMissing, startAuthJs } from '../peers/authjs.ts'
import { openClub, signIn, signOut } from '../peers/club.ts'
import { djangoMissing, startDjango } from '../peers/django.ts'
import { laravelMissing, startLaravel } from '../peers/laravel.ts'
import { nextMissing, startNext } from '../peers/next.ts'
import { railsMissing, startRails } from '../peers/rails.ts'
import { codeOf, followRecipe, ruleOf, signedIn, signedOut, unknown, whenRequired } from '../peers/recipes.ts'

// Each recipe for an app, with the real framework.

interface App {
  origin: string
  /** The session cookie of a user, as a pair. */
  signIn(email: string): Promise<string>
  /** Ends the session of a cookie, and resolves to the cookie that the browser has then. */
  signOut(cookie: string): Promise<string>
}

/** The app of the recipe, as its documentation has it. */
async function startExpress(): Promise<App> {
  const source = `export default (app) => {${codeOf('Express with Passport', 'js')}}`
  const route = await import(`data:text/javascript,${encodeURIComponent(source)}`)
  const { origin } = await openClub({ addRoutes: route.default as (app: Express) => void })
  return {
    origin,
    signIn: (email) => signIn(origin, email),
    signOut: (cookie) => signOut(origin, cookie),
  }
}

interface Framework {
  name: string
  missing?: string
  start(): Promise<App>
  cookie: string
  renews?: boolean
}

const frameworks: Framework[] = [
  { name: 'Express with Passport', start: startExpress, cookie: 'connect.sid' },
  { name: 'Laravel', missing: laravelMissing, start: startLaravel, cookie: 'laravel_session', renews: true },
  { name: 'Django', missing: djangoMissing, start: startDjango, cookie: 'sessionid' },
  { name: 'Rails', missing: railsMissing, start: startRails, cookie: '_app_session', renews: true },
  { name: 'Next.js', missing: nextMissing, start: startNext, cookie: 'session' },
  {
    name: 'Auth.js',
    missing: authJsMissing,
    start: startAuthJs,
    cookie: '__Secure-authjs.session-token',
    renews: true,
  },
]

describe.each(frameworks.map((one) => [one.name, one] as const))('The recipe for %s', (name, framework) => {
  const { missing, cookie, renews = false } = framework

  describe.skipIf(missing)(`with the real framework ${missing ?? ''}`, () => {
    let app: App

    beforeAll(async () => {
      app = await framework.start()
    })

    it('signs in its user', async () => {
      const { askWith } = await followRecipe(name, app.origin)
      expect(await askWith(await app.signIn('ada@example.com'))).toMatchObject(signedIn)
    })

    it('signs its user out at once, because the cookie changes', async () => {
      const { askWith, vendor } = await followRecipe(name, app.origin)
      const cookie = await app.signIn('ada@example.com')
      expect(await askWith(cookie)).toMatchObject(signedIn)
      vendor.requests.length = 0
      expect(await askWith(await app.signOut(cookie))).toMatchObject(signedOut)
    })

    it('treats a cookie without a session as signed out', async () => {
      const { askWith } = await followRecipe(name, app.origin)
      expect(await askWith(`${cookie}=guess`)).toMatchObject(signedOut)
    })

    it('asks nobody about a visitor without the session cookie', async () => {
      const { askWith } = await followRecipe(name, app.origin)
      expect(await askWith('theme=dark')).toMatchObject(unknown)
    })

    it('says what SESSION_REQUIRE_VERIFIED_EMAIL=true does', async () => {
      const user = [['Cookie', await app.signIn('ada@example.com')]] as const
      expect(await whenRequired(name, app.origin, user)).toBe(ruleOf(name))
    })

    it.each(renews ? [cookie] : [])('passes on %s, which the app renews', async () => {
      const { askWith } = await followRecipe(name, app.origin)
      const { setCookies } = await askWith(await app.signIn('ada@example.com'))
      expect(setCookies).toEqual([expect.stringContaining(`${cookie}=`)])
      expect(await askWith(setCookies![0]!.split(';')[0]!)).toMatchObject({ status: 200 })
    })
  })
})

describe.skipIf(laravelMissing)(`The recipe for Laravel ${laravelMissing ?? ''}`, () => {
  it('refuses a user whose email is not verified', async () => {
    const app = await startLaravel()
    const { askWith } = await followRecipe('Laravel', app.origin)
    const answer = await askWith(await app.signIn('ada@example.com', 'no'))
    expect(answer).toMatchObject({ status: 403, code: 'email_unverified', emails: [] })
  })
})

describe.skipIf(railsMissing)(`The recipe for Rails ${railsMissing ?? ''}`, () => {
  it('needs PUBLIC_URL, because Rails redirects requests without https to https', async () => {
    const app = await startRails()
    const { askWith, broker } = await followRecipe('Rails', app.origin, { PUBLIC_URL: '' })
    const answer = await askWith(await app.signIn('ada@example.com'))
    expect(answer).toMatchObject({ code: 'session_source_unavailable', emails: [] })
    await expect.poll(() => broker.logLines().at(-1)).toMatchObject({ outcome: 'answer_moved' })
  })
})

describe('The code of a recipe', () => {
  it.each([
    ['Laravel', 'php', 'laravel-app.php'],
    ['Django', 'python', 'django-app.py'],
    ['Rails', 'ruby', 'rails-app.rb'],
    ['Next.js', 'js', 'next/app/api/me/route.js'],
  ])('for %s is what the tests run', async (name, kind, file) => {
    const app = await readFile(new URL(`../peers/${file}`, import.meta.url), 'utf8')
    expect(squeeze(app)).toContain(squeeze(codeOf(name, kind)))
  })
})

const squeeze = (code: string) => code.replaceAll(/\s+/g, ' ').trim()
