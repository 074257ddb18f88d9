import { causeOf } from './causes.js'
import { byId, find } from './dom.js'
import { report } from './journal.js'
import { tick } from './setup.js'
import { hideTrouble, showTrouble } from './trouble.js'

/** @typedef {'ok' | 'busy' | 'bad' | 'idle'} State */

/** @type {{ name: string } | undefined} */
let user
/** @type {string | undefined} */
let holder
let inDemo = false
let framed = true
let embeds = 0
let goodUntil = 0
/** The code of the last failure on view. */
let failure = ''

/**
 * Shows on the page what the bridge or the keeper does. Call it before the script loads.
 * @param {{ signInForm: boolean, doors: string[], widgets: { public: boolean }[] }} config
 */
export function followBroker({ signInForm, widgets, doors }) {
  inDemo = signInForm
  framed = doors.includes('signin')
  if (!framed) find(byId('embeds'), '.detail').textContent = 'embed.js gives each SDK tag the token'
  embeds = widgets.filter((widget) => !widget.public).length
  document.addEventListener('returning-ai:token', showToken)
  document.addEventListener('returning-ai:signed-out', showSignedOut)
  document.addEventListener('returning-ai:error', showError)
  byId('renew').addEventListener('click', renew)
  setInterval(showTimeLeft, 1000)
  setInterval(followRetries, 1000)
}

/** Shows who is signed in, if the page can know. @param {{ name: string } | undefined} current */
export function showUser(current) {
  user = current
  if (user) showSignedIn()
}

/** @param {string} [subject] The hash that stands for the user in the log. */
function showSignedIn(subject) {
  show('session', 'ok', user ? `Signed in as ${user.name}` : 'Signed in')
  if (subject) find(byId('session'), '.detail').textContent = `In the log: subject ${subject}`
  tick('session', true)
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
  hideTrouble()
  showSignedIn(subject)
  show('token', 'ok', replaced ? 'Token renewed' : 'Token received', 'Valid for one session')
  showEmbeds('ok', framed ? 'Handed to #' : 'Ready for SDK tags')
  tick('token', true)
  tick('handed', embeds > 0)
  offerRenewal('Renew now')
  showTimeLeft()
  const received = framed ? 'Token received and handed to the widgets.' : 'Token received.'
  report(replaced ? 'A new token replaced the old one.' : received)
}

/** @param {CustomEvent<import('./bridge.js').SignedOutDetail>} event */
function showSignedOut({ detail }) {
  const { reason, code } = detail
  goodUntil = 0
  holder = undefined
  offerRenewal(inDemo ? '' : 'Try again')
  const refused = code === 'session_invalid'
  show('session', refused ? 'bad' : 'idle', refused ? 'Session refused' : 'Signed out')
  show('token', 'idle', 'No token', inDemo ? 'Sign in to get one' : 'Sign in to your app, then try again')
  showEmbeds('idle', '# waiting for a sign-in')
  for (const step of /** @type {const} */ (['session', 'token', 'handed'])) tick(step, false)
  const byBroker = reason === 'session'
  // A signed-out visitor of the demo has the sign-in form in view.
  if (byBroker && !(inDemo && code === 'session_missing')) showTrouble(detail)
  else hideTrouble()
  report(byBroker ? causeOf(code).say : 'Signed out. The token is forgotten.')
}

/** @param {CustomEvent<import('./bridge.js').ErrorDetail>} event */
function showError({ detail }) {
  showFailure(detail)
}

/** @param {{ code: string, retrying: boolean, requestId?: string }} problem */
function showFailure(problem) {
  const { code, retrying } = problem
  goodUntil = 0
  failure = code
  // The broker asks the vendor only for a valid session.
  if (code.startsWith('vendor_')) showSignedIn()
  else if (byId('session').dataset.state === 'busy') show('session', 'idle', 'Not known yet')
  offerRenewal(retrying ? 'Try now' : 'Try again')
  const { say } = causeOf(code)
  show('token', retrying ? 'busy' : 'bad', retrying ? 'Trying again' : 'No token', code)
  showEmbeds(retrying ? 'busy' : 'idle', '# waiting for a token')
  tick('token', false)
  tick('handed', false)
  showTrouble(problem)
  report(`${say} ${retrying ? 'Trying again.' : 'Waiting for a fix.'}`)
}

/** While it retries, the bridge sends no event if the next attempt fails for another reason. */
function followRetries() {
  const { status, code = '', retrying = false } = window.returningAI?.state ?? {}
  if (status === 'error' && code !== failure) showFailure({ code, retrying })
}

function renew() {
  // A second click would cancel the first request, which looks like an outage.
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
