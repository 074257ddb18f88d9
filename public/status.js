import { byId, find } from './dom.js'

/** @typedef {'ok' | 'busy' | 'bad' | 'idle'} State */

/** @type {Record<string, string>} */
const reasons = {
  session_missing: 'There is no session: nobody is signed in, or the cookie does not reach the broker.',
  session_invalid:
    'The session was refused: it has ended, or the broker’s settings do not match it. “outcome” in the log says more.',
  network: 'The broker cannot be reached.',
  vendor_rate_limited: 'The vendor limits the rate of requests.',
  vendor_unavailable: 'The vendor does not answer.',
  vendor_timeout: 'The vendor did not answer in time.',
  vendor_rejected_credentials: 'The vendor refuses the broker’s key.',
  vendor_rejected_request: 'The vendor refuses the request. Check the community id.',
  vendor_bad_response: 'The vendor sent no usable token. Check WIDGET_BASE_URL.',
  session_source_unavailable: 'The app’s sign-in does not answer.',
  overloaded: 'The broker is busy.',
  shutting_down: 'The broker is restarting.',
  rate_limited: 'Too many requests in one minute.',
  token_refused: 'The widgets refused three new tokens in a row.',
  no_token: 'The answer contains no token.',
  identity_unusable: 'The session has no usable email in the claim that SESSION_EMAIL_CLAIM names.',
  email_unverified: 'The session’s email is not verified.',
  email_domain_not_allowed: 'The session’s email domain is not allowed.',
}

const tokenUrl = new URL('widget-token', document.baseURI).href

/** @type {{ name: string } | undefined} */
let user
/** @type {string | undefined} */
let holder
let inDemo = false
let embeds = 0
let goodUntil = 0

/**
 * Shows on the page what the bridge does. Call it before the bridge loads.
 * @param {{ signInForm: boolean, widgets: { public: boolean }[] }} config
 */
export function followBridge({ signInForm, widgets }) {
  inDemo = signInForm
  embeds = widgets.filter((widget) => !widget.public).length
  document.addEventListener('returning-ai:token', showToken)
  document.addEventListener('returning-ai:signed-out', showSignedOut)
  document.addEventListener('returning-ai:error', showError)
  // The bridge reports nothing for its first retries, but the page shows each failed request.
  new PerformanceObserver(showFailedRequests).observe({ type: 'resource' })
  byId('renew').addEventListener('click', renew)
  setInterval(showTimeLeft, 1000)
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

/** Shows who is signed in, if the page can know. @param {{ name: string } | undefined} current */
export function showUser(current) {
  user = current
  if (user) showSignedIn()
}

function showSignedIn() {
  show('session', 'ok', user ? `Signed in as ${user.name}` : 'Signed in')
}

/**
 * Sets one of the three stations: session, token, embeds.
 * @param {string} id @param {State} state @param {string} sentence @param {string} [detail]
 */
export function show(id, state, sentence, detail) {
  byId(id).dataset.state = state
  find(byId(id), '.sentence').textContent = sentence
  if (detail !== undefined) find(byId(id), '.detail').textContent = detail
}

/** @param {CustomEvent<import('./bridge.js').TokenDetail>} event */
function showToken({ detail: { renewed, expiresIn, subject } }) {
  const replaced = renewed && holder === subject
  holder = subject
  goodUntil = expiresIn === undefined ? 0 : performance.now() + expiresIn * 1000
  showSignedIn()
  show('token', 'ok', replaced ? 'Token renewed' : 'Token received', 'Valid for one session')
  showEmbeds('ok', 'Handed to #')
  offerRenewal('Renew now')
  showTimeLeft()
  report(replaced ? 'A new token replaced the old one.' : 'Token received and handed to the widgets.')
}

/** @param {CustomEvent<import('./bridge.js').SignedOutDetail>} event */
function showSignedOut({ detail: { reason, code } }) {
  goodUntil = 0
  holder = undefined
  offerRenewal(inDemo ? '' : 'Try again')
  const refused = code === 'session_invalid'
  show('session', refused ? 'bad' : 'idle', refused ? 'Session refused' : 'Signed out')
  show('token', 'idle', 'No token', inDemo ? 'Sign in to get one' : 'Sign in to your app, then try again')
  showEmbeds('idle', '# waiting for a sign-in')
  report(reason === 'session' ? (reasons[code] ?? 'Signed out.') : 'Signed out. The token is forgotten.')
}

/** @param {CustomEvent<import('./bridge.js').ErrorDetail>} event */
function showError({ detail: { code, retrying } }) {
  // The vendor is asked only for a valid session.
  if (code.startsWith('vendor_')) showSignedIn()
  showRefusal(reasons[code] ?? `The broker refused the request (${code}).`, retrying)
}

/** @param {PerformanceObserverEntryList} list */
function showFailedRequests(list) {
  for (const entry of /** @type {PerformanceResourceTiming[]} */ (list.getEntries())) {
    const reason = entry.name === tokenUrl ? passingReason(entry.responseStatus) : undefined
    if (reason) showRefusal(reason, true)
  }
}

/** @param {number} status */
function passingReason(status) {
  if (status === 0) return reasons.network
  if (status === 429) return reasons.rate_limited
  return status === 503 ? 'The vendor or the app’s sign-in is not available.' : undefined
}

/** @param {string} reason @param {boolean} retrying */
function showRefusal(reason, retrying) {
  goodUntil = 0
  offerRenewal(retrying ? 'Try now' : 'Try again')
  show('token', retrying ? 'busy' : 'bad', retrying ? 'Trying again' : 'Token refused', reason)
  if (byId('session').dataset.state === 'busy') show('session', 'idle', 'Not known yet')
  showEmbeds(retrying ? 'busy' : 'idle', '# waiting for a token')
  report(`${reason} ${retrying ? 'Trying again.' : 'It does not try again by itself.'}`)
}

function renew() {
  // A second click would abort the first request, which looks like an outage.
  byId('renew').toggleAttribute('disabled', true)
  show('token', 'busy', 'Asking for a new token…')
  void window.returningAI?.refresh()
}

function showTimeLeft() {
  if (goodUntil === 0) return
  const seconds = Math.max(0, Math.round((goodUntil - performance.now()) / 1000))
  const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
  find(byId('token'), '.detail').textContent =
    seconds > 0 ? `${clock} left` : 'Expired: widgets ask for a new one'
}

/** @param {string} label Empty: hides the button, because asking again would not help. */
function offerRenewal(label) {
  byId('renew').textContent = label
  byId('renew').hidden = label === ''
  byId('renew').toggleAttribute('disabled', false)
}

/** @param {State} state @param {string} sentence */
function showEmbeds(state, sentence) {
  if (embeds > 0)
    show('embeds', state, sentence.replace('#', embeds === 1 ? '1 widget' : `${embeds} widgets`))
}
