/**
 * @typedef {{ type: string, id: string, public: boolean, label: string }} Widget
 * @typedef {{
 *   publicUrls: string[], widgetOrigin: string, apiOrigin?: string, communityId?: string, doors: string[],
 *   version: string, bridgeIntegrity: string, fastStart: string, signInForm: boolean,
 * }} EmbedConfig
 * @typedef {{ name: string, hint: string, code: string }} Recipe
 * @typedef {{ code: string, hash?: string }} FastStart
 * @typedef {(widget: Widget) => Recipe[]} RecipeBook
 */

const vendorOrigin = 'https://prod-widgets.returning.ai'

/** The vendor's SDK tags, and the attribute by which each names its widget. @type {Record<string, [string, string?]>} */
const sdkTags = {
  channel: ['rai-channel-widget', 'channel-id'],
  store: ['rai-store-widget'],
  milestone: ['rai-milestone-widget'],
  social: ['rai-social-widget'],
  'currency-overview': ['rai-currency-widget'],
  currency: ['rai-currency-widget'],
}

/**
 * Writes every way to put a widget into a page, with the addresses of this deployment, ready to copy.
 * @param {EmbedConfig} config @returns {Promise<RecipeBook>}
 */
export async function createRecipes(config) {
  const address = brokerAddress(config.publicUrls)
  const fastStart = await prepareFastStart(config.fastStart, address)
  const policy = policyRecipe(config, address, fastStart)
  return (widget) =>
    widget.public
      ? [
          {
            name: 'HTML',
            hint: 'A public widget needs no token and no script.',
            code: iframe(widget, config),
          },
        ]
      : [
          ...(config.doors.includes('signin') ? signinRecipes(widget, config, address, fastStart) : []),
          ...(config.doors.includes('access_key') ? [sdkRecipe(widget, config, address)] : []),
          policy,
        ]
}

/** Where pages of the customer reach the broker. This page may use another address, such as a port-forward. @param {string[]} publicUrls */
function brokerAddress(publicUrls) {
  const own = publicUrls.find((url) => new URL(url).origin === location.origin)
  return own ?? publicUrls[0] ?? document.baseURI
}

/** Completes the fast start with the token URL, and computes its hash for a policy. @param {string} script @param {string} address @returns {Promise<FastStart>} */
async function prepareFastStart(script, address) {
  const code = script.replaceAll('TOKEN_URL', JSON.stringify(new URL('widget-token', address).href))
  // Browsers offer no cryptography to pages over plain http.
  if (!isSecureContext) return { code }
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(code))
  return { code, hash: `sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}` }
}

/** @param {Widget} widget @param {EmbedConfig} config @param {string} address @param {FastStart} fastStart @returns {Recipe[]} */
function signinRecipes(widget, config, address, fastStart) {
  const origin = config.widgetOrigin === vendorOrigin ? [] : [`data-widget-origin="${config.widgetOrigin}"`]
  /** @param {string[]} attributes */
  const script = (...attributes) => `<script ${[...attributes, ...origin].join('\n        ')}></script>`
  const src = `src="${new URL('bridge.js', address).href}"`
  const pinned = `src="${new URL(`bridge-${config.version}.js`, address).href}"`
  const bridge = script(src)
  const frame = iframe(widget, config)
  const attributes = `type="${widget.type}" widget-id="${widget.id}"`
  const element = `<returning-ai-widget ${attributes}></returning-ai-widget>`
  return [
    {
      name: 'Fast start',
      hint: 'The first choice. It requests the token before the bridge has loaded. Put both scripts into the head.',
      code: `<script>${fastStart.code}</script>\n${script(`async ${src}`)}\n${frame}`,
    },
    {
      name: 'HTML',
      hint: 'One script and the vendor’s iframe. The script works best before the iframes, and also after them.',
      code: `${bridge}\n${frame}`,
    },
    {
      name: 'Pinned',
      hint: 'With Subresource Integrity. This version stays available when the broker is upgraded.',
      code: `${script(pinned, `integrity="${config.bridgeIntegrity}"`, 'crossorigin="anonymous"')}\n${frame}`,
    },
    {
      name: 'Element',
      hint: 'The element creates the iframe, at any time and anywhere in the page.',
      code: `${bridge}\n${element}`,
    },
    {
      name: 'React',
      hint: 'Load the script in index.html. docs/embedding.md says how to type the element.',
      code: `// index.html: ${bridge.replaceAll(/\s+/g, ' ')}\nexport function ${componentName(widget)}() {\n  return <returning-ai-widget ${attributes} />\n}`,
    },
    {
      name: 'Vue',
      hint: 'Load the script in index.html. Declare returning-ai-* as custom elements to Vue’s compiler.',
      code: `<!-- index.html: ${bridge.replaceAll(/\s+/g, ' ')} -->\n<template>\n  ${element}\n</template>`,
    },
  ]
}

/** @param {Widget} widget @param {EmbedConfig} config */
function iframe({ label, type, id }, { widgetOrigin }) {
  return [
    `<iframe title="${label}"`,
    `        src="${widgetOrigin}/${type}/${id}"`,
    '        allow="clipboard-write" width="100%" height="600" style="border: 0"></iframe>',
  ].join('\n')
}

/** @param {Widget} widget @param {EmbedConfig} config @param {string} address @returns {Recipe} */
function sdkRecipe({ type, id }, { communityId = 'COMMUNITY_ID', widgetOrigin, signInForm }, address) {
  const [tag, idName] = sdkTags[type.replace(/-widget$/, '')] ?? ['rai-custom-widget', 'widget-id']
  const widgetId = idName === undefined ? '' : ` ${idName}="${id}"`
  // The demo's vendor is the sandbox, which serves a stand-in of the SDK.
  const sdk = signInForm
    ? `<script async src="${widgetOrigin}/assets/rai-widget.iife.js"></script>`
    : '<!-- The vendor’s SDK here, as its guide says: rai-widget.iife.js -->'
  const element = `<${tag} community-id="${communityId}"${widgetId}></${tag}>`
  return {
    name: 'SDK tag',
    hint: 'Access Key Embed: the vendor’s own tag, which this script supplies with embed tokens.',
    code: [
      `<script src="${new URL('embed.js', address).href}"></script>`,
      sdk,
      '<returning-ai-embed>',
      `  <template>${element}</template>`,
      '</returning-ai-embed>',
    ].join('\n'),
  }
}

/** @param {EmbedConfig} config @param {string} address @param {FastStart} fastStart @returns {Recipe} */
function policyRecipe({ widgetOrigin, apiOrigin, doors, signInForm }, address, { hash }) {
  const broker = new URL(address).origin
  const scripts = [broker]
  const connections = [broker]
  if (hash && doors.includes('signin')) scripts.push(`'${hash}'`)
  if (doors.includes('access_key')) {
    if (signInForm) scripts.push(widgetOrigin)
    if (apiOrigin) connections.push(apiOrigin)
  }
  return {
    name: 'Policy',
    hint: 'For a page with a Content-Security-Policy: what to add to it. The hash allows the fast start.',
    code: [
      `script-src ${scripts.join(' ')};`,
      `connect-src ${connections.join(' ')};`,
      `frame-src ${widgetOrigin};`,
    ].join('\n'),
  }
}

/** @param {Widget} widget */
const componentName = ({ label }) => `${label.replaceAll(/\W/g, '')}Widget`
