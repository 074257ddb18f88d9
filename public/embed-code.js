import { publicRecipe, sdkRecipe, signinRecipes } from './recipes.js'

/** @typedef {import('./recipes.js').Widget} Widget */
/** @typedef {import('./recipes.js').Recipe} Recipe */
/** @typedef {import('./recipes.js').Deployment} Deployment */
/** @typedef {(widget: Widget) => Recipe[]} RecipeBook */
/** @typedef {Omit<Deployment, 'here'> & { publicUrls: string[], apiOrigin?: string, doors: string[] }} EmbedConfig */

/**
 * Writes every way to put a widget into a page, with the addresses of this deployment, ready to copy.
 * @param {EmbedConfig} config @returns {Promise<RecipeBook>}
 */
export async function createRecipes(config) {
  const { doors } = config
  const address = brokerAddress(config.publicUrls)
  /** @param {string} name */
  const here = (name) => new URL(name, address).href
  const fastStart = config.fastStart.replaceAll('TOKEN_URL', JSON.stringify(here('widget-token')))
  const deployment = { ...config, here, fastStart }
  const policy = policyRecipe(config, new URL(address).origin, await hashSource(fastStart))
  return (widget) => {
    if (widget.public) return [publicRecipe(widget, deployment)]
    return [
      ...(doors.includes('signin') ? signinRecipes(widget, deployment) : []),
      ...(doors.includes('access_key') ? [sdkRecipe(widget, deployment)] : []),
      policy,
    ]
  }
}

/**
 * Where pages of the customer reach the broker. This page may use another address, such as a port-forward.
 * @param {string[]} publicUrls
 */
function brokerAddress(publicUrls) {
  const own = publicUrls.find((url) => new URL(url).origin === location.origin)
  return own ?? publicUrls[0] ?? document.baseURI
}

/** How a Content-Security-Policy names an inline script. @param {string} script */
async function hashSource(script) {
  // Browsers offer no cryptography to pages over plain http.
  if (!isSecureContext) return undefined
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(script))
  return `'sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}'`
}

/** @param {EmbedConfig} config @param {string} broker @param {string | undefined} fastStartHash @returns {Recipe} */
function policyRecipe({ widgetOrigin, apiOrigin, doors, signInForm }, broker, fastStartHash) {
  const scripts = [broker]
  const connections = [broker]
  if (doors.includes('signin') && fastStartHash) scripts.push(fastStartHash)
  if (doors.includes('access_key')) {
    // In the demo, the stand-in for the vendor's SDK comes from there too.
    if (signInForm) scripts.push(widgetOrigin)
    if (apiOrigin) connections.push(apiOrigin)
  }
  return {
    name: 'Policy',
    hint: 'Add this to your page’s Content-Security-Policy, if it has one. The hash allows the fast start.',
    code: [
      `script-src ${scripts.join(' ')};`,
      `connect-src ${connections.join(' ')};`,
      `frame-src ${widgetOrigin};`,
    ].join('\n'),
  }
}
