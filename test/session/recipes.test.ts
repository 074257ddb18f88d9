import { readdir, readFile } from 'node:fs/promises'
import { RedisStore } from 'connect-redis'
import { createClient } from 'redis'
import { beforeAll, describe, expect, it } from 'vitest'
import { atEnd } from '../peers/clean-up.ts'
import { openClub, signIn, signOut } from '../peers/club.ts'
import { findRecipe, followRecipe, recipeNames, ruleOf, signedIn, signedOut } from '../peers/recipes.ts'
import { whenRequired } from '../peers/recipes.ts'
import { createRedisServer, redisMissing } from '../peers/redis.ts'

describe.skipIf(redisMissing)(`The recipe for express-session ${redisMissing ?? ''}`, () => {
  const name = 'express-session'
  let origin: string
  let place: { SESSION_STORE_URL: string }

  beforeAll(async () => {
    const redis = await createRedisServer()
    await redis.start()
    const client = createClient({ url: redis.url })
    await client.connect()
    atEnd(() => client.destroy())
    const secret = findRecipe(name).settings.SESSION_SECRET!
    ;({ origin } = await openClub({ store: new RedisStore({ client }), secret }))
    place = { SESSION_STORE_URL: redis.url }
  })

  it('signs in its user', async () => {
    const { askWith } = await followRecipe(name, '', place)
    expect(await askWith(await signIn(origin, 'ada@example.com'))).toMatchObject(signedIn)
  })

  it('treats a user who signed out as signed out', async () => {
    const { askWith } = await followRecipe(name, '', place)
    const cookie = await signIn(origin, 'ada@example.com')
    expect(await askWith(await signOut(origin, cookie))).toMatchObject(signedOut)
  })

  it('says what SESSION_REQUIRE_VERIFIED_EMAIL=true does', async () => {
    const user = [['Cookie', await signIn(origin, 'ada@example.com')]] as const
    expect(await whenRequired(name, '', user, place)).toBe(ruleOf(name))
  })
})

describe('docs/sessions.md', () => {
  it.each(recipeNames)('has a recipe for %s that a test follows', async (name) => {
    const files = (await readdir(import.meta.dirname)).filter((file) => file.startsWith('recipes'))
    const peers = ['issued-by-clouds.ts', 'issued-by-services.ts', 'sign-in-proxies.ts'].map(
      (file) => `../peers/${file}`,
    )
    const sources = await Promise.all(
      [...files, ...peers].map((file) => readFile(new URL(file, import.meta.url), 'utf8')),
    )
    expect(sources.join('\n')).toMatch(new RegExp(`'${name}'|^ {2}${name}: \\{`, 'm'))
  })

  it.each(recipeNames)('says in the recipe for %s what its source knows about verified emails', (name) => {
    expect(findRecipe(name).text).toMatch(/^- \*\*Verified emails:\*\* /m)
  })
})
