import { byId, copyOf, find } from './dom.js'
import { createRecipes } from './embed-code.js'
import { mountSetup } from './setup.js'
import { followBroker, show } from './status.js'
import { showTrouble } from './trouble.js'
import { showWidgets } from './widgets.js'

/** @typedef {import('./widgets.js').WidgetsConfig & import('./setup.js').SetupConfig} Config */

/** @param {Config} config */
async function start(config) {
  byId('version').textContent = `v${config.version}`
  byId('widgets').hidden = false
  followBroker(config)
  if (config.signInForm) await (await import('./demo/account.js')).mountAccount(byId('account'))
  else mountSetup(config)
  // The script must listen before a widget asks.
  await loadScript(config)
  if (config.widgets.length === 0) return showNoWidgets()
  showWidgets(config, await createRecipes(config))
  if (config.widgets.every((widget) => widget.public)) show('embeds', 'ok', 'Public, no token needed')
}

/**
 * Loads the bridge. If the vendor's SDK tags are the only door, loads their keeper, with an empty tag that
 * requests a token. Trusted Types forbid code to set a script's address, so the address is in the template.
 * @param {Config} config
 */
function loadScript({ doors, widgetOrigin }) {
  const copy = copyOf(doors.includes('signin') ? 'bridge' : 'keeper')
  const script = find(copy, 'script')
  script.dataset.widgetOrigin = widgetOrigin
  return new Promise((resolve, reject) => {
    script.addEventListener('load', resolve)
    script.addEventListener('error', () => reject(new Error('network')))
    document.body.append(copy)
  })
}

function showNoWidgets() {
  show('embeds', 'idle', 'None yet')
  byId('empty').hidden = false
}

/** @returns {Promise<Config>} Rejects with a code as its message. */
async function loadConfig() {
  const response = await fetch('config.json').catch(() => undefined)
  if (!response?.ok) throw new Error(response ? `http_${response.status}` : 'network')
  return response.json()
}

/** @param {Error} error */
function showUnreachable({ message: code }) {
  for (const id of ['session', 'token', 'embeds']) show(id, 'idle', 'Unknown')
  showTrouble({ code, retrying: true })
  setInterval(reloadWhenBack, 3000)
}

async function reloadWhenBack() {
  const response = await fetch('config.json').catch(() => undefined)
  if (response?.ok) location.reload()
}

loadConfig().then(start).catch(showUnreachable)
