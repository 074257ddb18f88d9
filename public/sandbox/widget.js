import { element } from './draw.js'
import { drawContent } from './scenes.js'

/** @typedef {{ kind: string, email?: string, name: string, points: number, title: string, note: string }} Content */

const query = new URLSearchParams(location.search)
const requestType =
  query.get('request') === 'legacy' ? 'RETURNINGAI_WIDGET_TOKEN' : 'RETURNINGAI_WIDGET_REQUEST_TOKEN'
const patienceMs = Number(query.get('patience') ?? 6000)
const pollMs = 1500

const [type, id] = location.pathname.slice(1).split('/')
const contentUrl = `/widget-content/${type}/${id}`
const root = document.documentElement
const who = /** @type {HTMLElement} */ (document.getElementById('who'))
const main = /** @type {HTMLElement} */ (document.getElementById('content'))

let token = ''
let tokensTaken = 0
let refusals = 0
/** @type {ReturnType<typeof setTimeout> | undefined} */
let patience

root.dataset.color = query.get('color') ?? 'auto'
addEventListener('message', takeToken)
if (type === 'custom-leaderboards') void showPublic()
else if (parent === window) showAlone()
else ask()
setInterval(checkToken, pollMs)

// The embedding page's origin is not known to a widget, and the question holds no secret: hence '*'.
function ask() {
  parent.postMessage({ type: requestType }, '*')
  clearTimeout(patience)
  patience = setTimeout(showNoToken, patienceMs)
}

/** @param {MessageEvent} event */
function takeToken({ source, data }) {
  if (source !== parent || data?.type !== 'RETURNINGAI_WIDGET_TOKEN' || typeof data.value !== 'string') return
  clearTimeout(patience)
  void tryToken(data.value)
}

/** @param {string} value */
async function tryToken(value) {
  const content = await readContent(value)
  if (content === 'refused') return refuse()
  if (content === 'unreachable') return void setTimeout(tryToken, pollMs, value)
  token = value
  refusals = 0
  tokensTaken += 1
  showSignedIn(content)
}

function refuse() {
  token = ''
  refusals += 1
  setState('renewing', 'Token refused or expired. Asking for a new one…')
  setTimeout(ask, refusals === 1 ? 0 : Math.min(30_000, 1000 * 2 ** refusals))
}

async function checkToken() {
  if (token === '') return
  const checked = token
  if ((await readContent(checked)) === 'refused' && token === checked) refuse()
}

/**
 * @param {string} value
 * @returns {Promise<Content | 'refused' | 'unreachable'>}
 */
async function readContent(value) {
  if (!/^[!-~]*$/.test(value)) return 'refused'
  try {
    const response = await fetch(contentUrl, { headers: { Authorization: `Bearer ${value}` } })
    if (response.ok) return await response.json()
    return response.status === 401 ? 'refused' : 'unreachable'
  } catch {
    return 'unreachable'
  }
}

/** @param {Content} content */
function showSignedIn(content) {
  const changed = root.dataset.email !== content.email || root.dataset.state === 'no-token'
  root.dataset.email = content.email
  root.dataset.tokens = String(tokensTaken)
  setState('signed-in', `Signed in as ${content.email}`)
  if (changed) show(content)
}

async function showPublic() {
  const content = await readContent('')
  if (typeof content === 'string') return setState('no-token', 'The sandbox cannot be reached.')
  setState('public', 'Public: no sign-in needed')
  show(content)
}

/** @param {Content} content */
function show(content) {
  document.title = `${content.title} · Sandbox`
  main.replaceChildren(...drawContent(content))
}

function showAlone() {
  setState('no-token', 'Not embedded')
  main.replaceChildren(
    notice('A widget lives in a page', 'Embed this address in an iframe on a page that loads the bridge.'),
  )
}

function showNoToken() {
  setState('no-token', 'Not signed in')
  const again = element('button', { type: 'button', className: 'quiet' }, 'Ask again')
  again.addEventListener('click', ask)
  main.replaceChildren(
    notice(
      'No token arrived',
      'This widget asked the page around it for a token and got none. Sign in on the page; if you did, check ' +
        `that the bridge comes before the iframe and that its widget origin is ${location.origin}.`,
      again,
    ),
  )
  delete root.dataset.email
}

/** @param {string} title @param {string} text @param {HTMLElement[]} rest */
function notice(title, text, ...rest) {
  return element('div', { className: 'notice' }, element('h1', {}, title), element('p', {}, text), ...rest)
}

/** @param {string} state @param {string} sentence */
function setState(state, sentence) {
  root.dataset.state = state
  who.textContent = sentence
}
