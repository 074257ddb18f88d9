import { byId, copyOf, find } from './dom.js'

/** @typedef {{ type: string, id: string, public: boolean }} Widget */
/** @typedef {Widget & { label: string }} LabelledWidget */

const vendorOrigin = 'https://prod-widgets.returning.ai'
let widgetOrigin = vendorOrigin
let brokerAddress = document.baseURI

/** @type {Record<string, string>} */
const labels = {
  'channel-widget': 'Channel',
  'store-widget': 'Store',
  'milestone-widget': 'Milestones',
  milestone: 'Milestones',
  'currency-overview-widget': 'Currency',
  'social-widget': 'Social',
  minigames: 'Mini games',
  'custom-leaderboards': 'Leaderboard',
}

/**
 * Shows each widget in a tab of its own, with its embed code.
 * @param {{ widgetOrigin: string, widgets: Widget[], publicUrls: string[] }} config
 */
export function showWidgets(config) {
  widgetOrigin = config.widgetOrigin
  brokerAddress = findAddress(config.publicUrls)
  config.widgets.map(withLabel).forEach(addWidget)
  byId('tabs').hidden = false
  select(0)
}

/** Where the customer's pages reach the broker. It may itself be seen at another address, such as a port-forward. @param {string[]} publicUrls */
function findAddress(publicUrls) {
  const own = publicUrls.find((url) => new URL(url).origin === location.origin)
  return own ?? publicUrls[0] ?? document.baseURI
}

/** The second widget of a type is called so. @param {Widget} widget @param {number} index @param {Widget[]} all */
function withLabel(widget, index, all) {
  const words = widget.type.replaceAll('-', ' ')
  const label = labels[widget.type] ?? words.charAt(0).toUpperCase() + words.slice(1)
  const earlier = all.slice(0, index).filter(({ type }) => type === widget.type).length
  return { ...widget, label: earlier === 0 ? label : `${label} ${earlier + 1}` }
}

/** @param {Widget} widget */
const addressOf = ({ type, id }) => `${widgetOrigin}/${type}/${id}`

/** The lines to paste into a page. @param {LabelledWidget} widget */
function embedCode(widget) {
  const bridge = new URL('bridge.js', brokerAddress).href
  const origin = widgetOrigin === vendorOrigin ? '' : `\n        data-widget-origin="${widgetOrigin}"`
  const script = `<script src="${bridge}"${origin}></script>\n`
  const frame = [
    `<iframe title="${widget.label}"`,
    `        src="${addressOf(widget)}"`,
    '        allow="clipboard-write" width="100%" height="600" style="border: 0"></iframe>',
  ].join('\n')
  return widget.public ? frame : script + frame
}

/** @param {LabelledWidget} widget @param {number} index */
function addWidget(widget, index) {
  const tab = document.createElement('button')
  const panel = find(copyOf('panel'), '[role=tabpanel]')
  Object.assign(tab, { type: 'button', role: 'tab', id: `tab-${index}`, textContent: widget.label })
  tab.setAttribute('aria-controls', (panel.id = `panel-${index}`))
  panel.setAttribute('aria-labelledby', tab.id)
  find(panel, '.address').textContent = addressOf(widget)
  find(panel, '.frame').append(frameOf(widget))
  find(panel, 'code').textContent = embedCode(widget)
  find(panel, '.hint').textContent = widget.public
    ? 'Public: it needs no token and no script.'
    : 'Put the script before the iframes: it has to listen before a widget asks.'
  find(panel, '.copy').addEventListener('click', () => void copy(panel))
  tab.addEventListener('click', () => select(index))
  byId('tabs').append(tab)
  byId('panels').append(panel)
}

/** @param {LabelledWidget} widget */
function frameOf(widget) {
  const frame = document.createElement('iframe')
  frame.title = widget.label
  frame.allow = 'clipboard-write'
  frame.src = addressOf(widget)
  return frame
}

/** @param {number} index */
function select(index) {
  for (const [at, tab] of [...byId('tabs').children].entries()) {
    tab.ariaSelected = String(at === index)
    tab.setAttribute('tabindex', at === index ? '0' : '-1')
    byId(`panel-${at}`).hidden = at !== index
  }
}

// The keys of the ARIA tabs pattern: arrows move and wrap, Home and End jump.
byId('tabs').addEventListener('keydown', (event) => {
  const tabs = /** @type {HTMLElement[]} */ ([...byId('tabs').children])
  const at = tabs.indexOf(/** @type {HTMLElement} */ (event.target))
  const goals = new Map([
    ['ArrowRight', (at + 1) % tabs.length],
    ['ArrowLeft', (at + tabs.length - 1) % tabs.length],
    ['Home', 0],
    ['End', tabs.length - 1],
  ])
  const goal = goals.get(event.key)
  if (goal === undefined) return
  event.preventDefault()
  select(goal)
  tabs[goal]?.focus()
})

/** @param {HTMLElement} panel */
async function copy(panel) {
  const button = find(panel, '.copy')
  const code = find(panel, 'code')
  try {
    await navigator.clipboard.writeText(code.textContent ?? '')
    button.textContent = 'Copied'
  } catch {
    // No clipboard on this page (plain http, or not permitted): the selection is one keystroke away from it.
    getSelection()?.selectAllChildren(code)
    button.textContent = 'Selected'
  }
  setTimeout(() => (button.textContent = 'Copy'), 2000)
}
