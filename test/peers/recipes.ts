import { ConfigError } from '../../src/config/config.ts'
import { useBroker } from './broker.ts'
import { blocksOf, parseSettings, readDocument } from './documents.ts'
import { send, type HeaderLines } from './exchange.ts'

// The recipes of docs/sessions.md: the sections that have a block of settings.

interface Recipe {
  name: string
  /** The whole section. */
  text: string
  settings: Record<string, string>
}

const recipes = readRecipes(await readDocument('docs/sessions.md'))

export const recipeNames: readonly string[] = recipes.map(({ name }) => name)

function readRecipes(text: string): Recipe[] {
  return text.split(/^#{2,3} /m).flatMap((section) => {
    const [block] = blocksOf(section, 'env')
    if (block === undefined) return []
    return { name: section.split('\n')[0]!, text: section, settings: parseSettings(block) }
  })
}

export function findRecipe(name: string): Recipe {
  const recipe = recipes.find((one) => one.name === name)
  if (recipe === undefined) throw new Error(`docs/sessions.md has no recipe for ${name}`)
  return recipe
}

/** The code of a recipe for its app. */
export function codeOf(name: string, kind: string): string {
  return blocksOf(findRecipe(name).text, kind)[0]!
}

type Settings = Record<string, string | undefined>

/** The recipe's settings, with the addresses of its source moved to where the peer listens. */
export function settingsAt(name: string, origin: string): Record<string, string> {
  const settings = { ...findRecipe(name).settings }
  // If the keys have an address of their own, nothing is requested from the issuer.
  const asked = settings.SESSION_JWT_JWKS_URL ? 'SESSION_JWT_JWKS_URL' : 'SESSION_JWT_ISSUER'
  for (const address of [asked, 'SESSION_FORWARD_URL', 'SESSION_INTROSPECTION_ISSUER'])
    if (settings[address]) settings[address] = settings[address].replace(/^https?:\/\/[^/]+/, origin)
  if (settings.PUBLIC_URL) settings.PUBLIC_URL = settings.PUBLIC_URL.replace('app.example.com', '127.0.0.1')
  return settings
}

/** The broker by the recipe, on the app's own host, and how a page there asks for a token. */
export async function followRecipe(name: string, origin: string, changes: Settings = {}) {
  const settings = settingsAt(name, origin)
  // The first answer of Next.js in development is slow.
  const own = { SESSION_JWT_SECRET: undefined, VENDOR_TIMEOUT_MS: '15000' }
  const { vendor, broker } = await useBroker({ ...own, ...settings, ...changes })

  async function ask(...headers: HeaderLines) {
    const { body, ...answer } = await send(`${broker.url}/widget-token`, {
      method: 'POST',
      headers: [['Sec-Fetch-Site', 'same-origin'], ...headers],
    })
    const { code, subject } = JSON.parse(body) as { code?: string; subject?: string }
    const emails = vendor.requests.map((one) => one.headers.email)
    return { status: answer.status, code, subject, setCookies: answer.headers['set-cookie'], emails }
  }

  return { broker, vendor, settings, ask, askWith: (cookie: string) => ask(['Cookie', cookie]) }
}

type Rule = 'accepts the user' | 'refuses every user' | 'does not start'

/** What a recipe says that the broker does with SESSION_REQUIRE_VERIFIED_EMAIL=true. */
export function ruleOf(name: string): Rule {
  const { text } = findRecipe(name)
  const said = /With `SESSION_REQUIRE_VERIFIED_EMAIL=true`, the broker (refuses every user|does not start)/
  return (said.exec(text)?.[1] as Rule | undefined) ?? 'accepts the user'
}

/** What the broker does with it, for a user whom it accepts by the recipe. */
export async function whenRequired(
  name: string,
  origin: string,
  user: HeaderLines,
  changes: Settings = {},
): Promise<Rule | undefined> {
  const required = { ...changes, SESSION_REQUIRE_VERIFIED_EMAIL: 'true' }
  try {
    const { ask } = await followRecipe(name, origin, required)
    const { status, code } = await ask(...user)
    if (status === 200) return 'accepts the user'
    return code === 'email_unverified' ? 'refuses every user' : undefined
  } catch (error) {
    if (error instanceof ConfigError) return 'does not start'
    throw error
  }
}

export const signedIn = { status: 200, emails: ['ada@example.com'] }
export const signedOut = { status: 401, code: 'session_invalid', emails: [] }
export const unknown = { status: 401, code: 'session_missing', emails: [] }
