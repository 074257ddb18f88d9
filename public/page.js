/** @typedef {{ type: string, id: string, public: boolean }} Widget */
/** @typedef {{ widgetOrigin: string, widgets: Widget[], signInForm: boolean, version: string }} Config */
/** @typedef {'ok' | 'busy' | 'bad' | 'idle'} State */

const vendorOrigin = 'https://prod-widgets.returning.ai'

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

/** @type {Record<string, string>} */
const reasons = {
  network: 'The broker cannot be reached.',
  vendor_rate_limited: 'The vendor asks for a pause.',
  vendor_unavailable: 'The vendor does not answer.',
  vendor_timeout: 'The vendor is too slow.',
  vendor_rejected_credentials: 'The vendor refuses the broker’s key.',
  vendor_rejected_request: 'The vendor refuses the request.',
  vendor_bad_response: 'The vendor’s answer makes no sense.',
  session_source_unavailable: 'The app’s sign-in does not answer.',
  overloaded: 'The broker is busy.',
  shutting_down: 'The broker is restarting.',
  rate_limited: 'Too many tokens in a minute.',
  token_refused: 'The widgets refused three new tokens in a row.',
  no_token: 'The answer holds no token.',
  identity_unusable: 'The session holds no usable email.',
  email_unverified: 'The session’s email is not verified.',
  email_domain_not_allowed: 'The session’s email domain is not allowed.',
}

const tokenUrl = new URL('widget-token', document.baseURI).href

/** @type {{ name: string } | undefined} */
let user
/** @type {Config} */
let config
let goodUntil = 0
/** @type {string | undefined} */
let holder

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id))
/** @param {ParentNode} parent @param {string} selector */
export const find = (parent, selector) => /** @type {HTMLElement} */ (parent.querySelector(selector))

/** A fresh copy of a template of index.html. @param {string} id */
export function copyOf(id) {
  const template = /** @type {HTMLTemplateElement} */ (byId(id))
  return /** @type {DocumentFragment} */ (template.content.cloneNode(true))
}

/** Adds a line to "What is happening". @param {string} sentence */
export function report(sentence) {
  const line = document.createElement('li')
  const time = document.createElement('time')
  time.textContent = new Date().toLocaleTimeString('en-GB')
  line.append(time, sentence)
  byId('journal').prepend(line)
  while (byId('journal').childElementCount > 40) byId('journal').lastElementChild?.remove()
}

/** Tells the page who is signed in, where it can know. @param {{ name: string } | undefined} current */
export function showUser(current) {
  user = current
  if (user) show('session', 'ok', `Signed in as ${user.name}`)
}

/** @param {string} id @param {State} state @param {string} sentence @param {string} [detail] */
function show(id, state, sentence, detail) {
  byId(id).dataset.state = state
  find(byId(id), '.sentence').textContent = sentence
  if (detail !== undefined) find(byId(id), '.detail').textContent = detail
}

// ---- What the bridge says ----

document.addEventListener('returning-ai:token', ({ detail: { renewed, expiresIn, subject } }) => {
  const replaced = renewed && holder === subject
  holder = subject
  goodUntil = expiresIn === undefined ? 0 : performance.now() + expiresIn * 1000
  show('session', 'ok', user ? `Signed in as ${user.name}` : 'Signed in')
  show('token', 'ok', replaced ? 'Token renewed' : 'Token received', 'Valid for one session')
  showEmbeds('ok', 'Handed to #')
  offerRenewal('Renew now')
  showTimeLeft()
  report(replaced ? 'A new token replaced the old one.' : 'Token received and handed to the widgets.')
})

document.addEventListener('returning-ai:signed-out', ({ detail: { reason } }) => {
  goodUntil = 0
  holder = undefined
  offerRenewal(config.signInForm ? '' : 'Try again')
  show('session', 'idle', 'Signed out')
  show(
    'token',
    'idle',
    'No token',
    config.signInForm ? 'Sign in to get one' : 'Sign in to your app, then try again',
  )
  showEmbeds('idle', '# waiting for a sign-in')
  report(
    reason === 'session'
      ? 'The broker found no session: nobody is signed in.'
      : 'Signed out: the token is forgotten.',
  )
})

document.addEventListener('returning-ai:error', ({ detail: { code, retrying } }) => {
  showRefusal(reasons[code] ?? `The broker refused (${code}).`, retrying)
})

// The bridge retries quietly at first; the page sees each failed request all the same.
new PerformanceObserver((list) => {
  for (const entry of /** @type {PerformanceResourceTiming[]} */ (list.getEntries())) {
    const reason = entry.name === tokenUrl ? passingReason(entry.responseStatus) : undefined
    if (reason) showRefusal(reason, true)
  }
}).observe({ type: 'resource' })

/** @param {number} status */
function passingReason(status) {
  if (status === 0) return reasons.network
  if (status === 429) return reasons.rate_limited
  return status === 503 ? 'The vendor or the app’s sign-in is not available.' : undefined
}

/** @param {string} reason @param {boolean} retrying */
function showRefusal(reason, retrying) {
  goodUntil = 0
  offerRenewal('Try again')
  show('token', retrying ? 'busy' : 'bad', retrying ? 'Trying again' : 'Token refused', reason)
  report(`${reason} ${retrying ? 'Trying again.' : 'Not trying again by itself.'}`)
}

byId('renew').addEventListener('click', () => {
  show('token', 'busy', 'Asking for a new token…')
  void window.returningAI?.refresh()
})

setInterval(showTimeLeft, 1000)

function showTimeLeft() {
  if (goodUntil === 0) return
  const seconds = Math.max(0, Math.round((goodUntil - performance.now()) / 1000))
  const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
  find(byId('token'), '.detail').textContent =
    seconds > 0 ? `${clock} left` : 'Over: widgets ask for a new one'
}

/** @param {string} label Empty: there is nothing to gain by asking. */
function offerRenewal(label) {
  byId('renew').textContent = label
  byId('renew').hidden = label === ''
}

/** @param {State} state @param {string} sentence */
function showEmbeds(state, sentence) {
  const count = config.widgets.filter((widget) => !widget.public).length
  if (count > 0) show('embeds', state, sentence.replace('#', count === 1 ? '1 widget' : `${count} widgets`))
}

// ---- The widgets ----

/** @param {Widget} widget */
function labelOf({ type }) {
  const words = type.replaceAll('-', ' ')
  return labels[type] ?? words.charAt(0).toUpperCase() + words.slice(1)
}

/** @param {Widget} widget */
const addressOf = ({ type, id }) => `${config.widgetOrigin}/${type}/${id}`

/** The lines to paste into a page. @param {Widget} widget */
function embedCode(widget) {
  const bridge = new URL('bridge.js', document.baseURI).href
  const origin =
    config.widgetOrigin === vendorOrigin ? '' : `\n        data-widget-origin="${config.widgetOrigin}"`
  const script = `<script src="${bridge}"${origin}></script>\n`
  const frame = [
    `<iframe title="${labelOf(widget)}"`,
    `        src="${addressOf(widget)}"`,
    '        allow="clipboard-write" width="100%" height="600"></iframe>',
  ].join('\n')
  return widget.public ? frame : script + frame
}

/** @param {Widget} widget @param {number} index */
function addWidget(widget, index) {
  const tab = document.createElement('button')
  const panel = find(copyOf('panel'), '[role=tabpanel]')
  Object.assign(tab, { type: 'button', role: 'tab', id: `tab-${index}`, textContent: labelOf(widget) })
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

/** @param {Widget} widget */
function frameOf(widget) {
  const frame = document.createElement('iframe')
  frame.title = labelOf(widget)
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

// ---- Start ----

/** @param {string} title @param {string} text @param {string} code */
function showEmpty(title, text, code) {
  const empty = byId('empty')
  find(empty, 'h2').textContent = title
  find(empty, 'p').textContent = text
  find(empty, 'code').textContent = code
  find(empty, 'pre').hidden = code === ''
  empty.hidden = false
}

// Trusted Types let no code name a script's address: it stands in the template, and only its origin is added.
function loadBridge() {
  const script = find(copyOf('bridge'), 'script')
  script.dataset.widgetOrigin = config.widgetOrigin
  return new Promise((resolve, reject) => {
    script.addEventListener('load', resolve)
    script.addEventListener('error', reject)
    document.head.append(script)
  })
}

function showWidgets() {
  if (config.widgets.length === 0) {
    show('embeds', 'idle', 'None yet')
    showEmpty(
      'No widgets yet',
      'Name the widgets of your community in the broker’s environment, separated by commas, and start it again. ' +
        'The id is in the widget’s “Iframe” code in the admin settings.',
      'WIDGETS=channel-widget:YOUR_WIDGET_ID,store-widget:YOUR_WIDGET_ID',
    )
    return
  }
  config.widgets.forEach(addWidget)
  byId('tabs').hidden = false
  select(0)
  if (config.widgets.every((widget) => widget.public)) show('embeds', 'ok', 'Public, no token needed')
}

async function start() {
  const response = await fetch('config.json')
  config = await response.json()
  byId('version').textContent = `v${config.version}`
  if (config.signInForm) await (await import('./demo/account.js')).mountAccount(byId('account'))
  // The bridge has to listen before a widget can ask.
  await loadBridge()
  showWidgets()
}

start().catch(() => {
  for (const id of ['session', 'token', 'embeds']) show(id, 'bad', 'Unknown')
  showEmpty(
    'The broker does not answer',
    'Its configuration could not be read. Reload the page in a moment.',
    '',
  )
})
