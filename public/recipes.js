/**
 * @typedef {{ type: string, id: string, public: boolean, label: string }} Widget
 * @typedef {{ name: string, hint: string, code: string }} Recipe
 * @typedef {{
 *   here: (name: string) => string, widgetOrigin: string, communityId?: string, version: string,
 *   bridgeIntegrity: string, fastStart: string, signInForm: boolean,
 * }} Deployment The addresses and scripts of this broker; `here` gives the address of one of its files.
 */

const vendorOrigin = 'https://prod-widgets.returning.ai'

/**
 * The vendor's SDK tags, each with the attribute that names its widget.
 * @type {Record<string, [string, string?]>}
 */
const sdkTags = {
  channel: ['rai-channel-widget', 'channel-id'],
  store: ['rai-store-widget'],
  milestone: ['rai-milestone-widget'],
  social: ['rai-social-widget'],
  'currency-overview': ['rai-currency-widget'],
  currency: ['rai-currency-widget'],
}

/** @param {Widget} widget @param {Deployment} deployment @returns {Recipe} */
export function publicRecipe(widget, deployment) {
  const hint = 'A public widget needs no token and no script.'
  return { name: 'HTML', hint, code: iframe(widget, deployment) }
}

/**
 * For widgets in an iframe, which the bridge signs in.
 * @param {Widget} widget @param {Deployment} deployment @returns {Recipe[]}
 */
export function signinRecipes(widget, deployment) {
  const { here, version, bridgeIntegrity, fastStart } = deployment
  const script = scriptTags(deployment)
  const bridge = script(`src="${here('bridge.js')}"`)
  const frame = iframe(widget, deployment)
  const pinned = [
    `src="${here(`bridge-${version}.js`)}"`,
    `integrity="${bridgeIntegrity}"`,
    'crossorigin="anonymous"',
  ]
  return [
    {
      name: 'Fast start',
      hint: 'Recommended: requests the token before the bridge has loaded. Put both scripts into the head.',
      code: `<script>${fastStart}</script>\n${script(`async src="${here('bridge.js')}"`)}\n${frame}`,
    },
    {
      name: 'HTML',
      hint: 'One script and the vendor’s iframe. Put the script before the iframes if you can.',
      code: `${bridge}\n${frame}`,
    },
    {
      name: 'Pinned',
      hint: 'Uses Subresource Integrity. This version stays available when the broker is upgraded.',
      code: `${script(...pinned)}\n${frame}`,
    },
    {
      name: 'Element',
      hint: 'The element creates the iframe, at any time and anywhere in the page.',
      code: `${bridge}\n<returning-ai-widget ${attributesOf(widget)}></returning-ai-widget>`,
    },
    ...frameworkRecipes(widget, bridge.replaceAll(/\s+/g, ' ')),
  ]
}

/** Writes the tags that load the bridge, with the widgets' origin unless it is the default. @param {Deployment} deployment */
function scriptTags({ widgetOrigin }) {
  const origin = widgetOrigin === vendorOrigin ? [] : [`data-widget-origin="${widgetOrigin}"`]
  /** @param {string[]} attributes */
  return (...attributes) => `<script ${[...attributes, ...origin].join('\n        ')}></script>`
}

/** @param {Widget} widget @param {string} bridge @returns {Recipe[]} */
function frameworkRecipes(widget, bridge) {
  const name = `${widget.label.replaceAll(/\W/g, '')}Widget`
  const attributes = attributesOf(widget)
  return [
    {
      name: 'React',
      hint: 'Load the script in index.html. docs/embedding.md says where the types of the element are.',
      code: [
        `// index.html: ${bridge}`,
        `export function ${name}() {`,
        `  return <returning-ai-widget ${attributes} />`,
        '}',
      ].join('\n'),
    },
    {
      name: 'Vue',
      hint: 'Load the script in index.html. Declare returning-ai-* as custom elements to Vue’s compiler.',
      code: [
        `<!-- index.html: ${bridge} -->`,
        '<template>',
        `  <returning-ai-widget ${attributes}></returning-ai-widget>`,
        '</template>',
      ].join('\n'),
    },
  ]
}

/** @param {Widget} widget */
const attributesOf = ({ type, id }) => `type="${type}" widget-id="${id}"`

/** @param {Widget} widget @param {Deployment} deployment */
function iframe({ label, type, id }, { widgetOrigin }) {
  return [
    `<iframe title="${label}"`,
    `        src="${widgetOrigin}/${type}/${id}"`,
    '        allow="clipboard-write" width="100%" height="600" style="border: 0"></iframe>',
  ].join('\n')
}

/**
 * For the vendor's SDK tags, which embed.js supplies.
 * @param {Widget} widget @param {Deployment} deployment @returns {Recipe}
 */
export function sdkRecipe({ type, id }, { here, communityId = 'COMMUNITY_ID', widgetOrigin, signInForm }) {
  const [tag, idName] = sdkTags[type.replace(/-widget$/, '')] ?? ['rai-custom-widget', 'widget-id']
  const widgetId = idName === undefined ? '' : ` ${idName}="${id}"`
  // The demo's vendor is the sandbox, which serves a stand-in for the SDK.
  const sdk = signInForm
    ? `<script async src="${widgetOrigin}/assets/rai-widget.iife.js"></script>`
    : '<!-- Load the vendor’s SDK here, as its guide says: rai-widget.iife.js -->'
  return {
    name: 'SDK tag',
    hint: 'Access Key Embed: the vendor’s own tag. The broker’s script supplies it with embed tokens.',
    code: [
      `<script src="${here('embed.js')}"></script>`,
      sdk,
      '<returning-ai-embed>',
      `  <template><${tag} community-id="${communityId}"${widgetId}></${tag}></template>`,
      '</returning-ai-embed>',
    ].join('\n'),
  }
}
