import { byId, copyOf, find } from './dom.js'
import { followBridge, show } from './status.js'
import { showWidgets } from './widgets.js'

/** @typedef {import('./widgets.js').Widget} Widget */
/** @typedef {{ widgetOrigin: string, widgets: Widget[], signInForm: boolean, publicUrls: string[], version: string }} Config */

async function start() {
  const response = await fetch('config.json')
  const config = /** @type {Config} */ (await response.json())
  byId('version').textContent = `v${config.version}`
  followBridge(config)
  if (config.signInForm) await (await import('./demo/account.js')).mountAccount(byId('account'))
  // The bridge must listen before a widget asks.
  await loadBridge(config.widgetOrigin)
  if (config.widgets.length === 0) return showNoWidgets()
  showWidgets(config)
  if (config.widgets.every((widget) => widget.public)) show('embeds', 'ok', 'Public, no token needed')
}

// Trusted Types forbid code to set a script's address, so the address is in the template.
/** @param {string} widgetOrigin */
function loadBridge(widgetOrigin) {
  const script = find(copyOf('bridge'), 'script')
  script.dataset.widgetOrigin = widgetOrigin
  return new Promise((resolve, reject) => {
    script.addEventListener('load', resolve)
    script.addEventListener('error', reject)
    document.head.append(script)
  })
}

function showNoWidgets() {
  show('embeds', 'idle', 'None yet')
  showEmpty(
    'No widgets yet',
    'List the widgets of your community in the broker’s environment, separated by commas, and restart the broker. ' +
      'The id is in the widget’s “Iframe” code example in the admin settings.',
    'WIDGETS=channel-widget:YOUR_WIDGET_ID,store-widget:YOUR_WIDGET_ID',
  )
}

/** @param {string} title @param {string} text @param {string} code */
function showEmpty(title, text, code) {
  const empty = byId('empty')
  find(empty, 'h2').textContent = title
  find(empty, 'p').textContent = text
  find(empty, 'code').textContent = code
  find(empty, 'pre').hidden = code === ''
  empty.hidden = false
}

start().catch(() => {
  for (const id of ['session', 'token', 'embeds']) show(id, 'bad', 'Unknown')
  showEmpty(
    'The broker does not answer',
    'The page could not load its configuration. Reload the page in a moment.',
    '',
  )
})
