import { copyOf, find } from '../dom.js'
import { report } from '../journal.js'
import { showUser } from '../status.js'
import { followOutcomes } from './outcome.js'

/** @typedef {{ id: string, name: string, email: string }} User */
/** @typedef {{ users: User[], current?: User }} Accounts */

/** @type {HTMLElement} */
let place
/** @type {Accounts} */
let accounts = { users: [] }

/**
 * The demo app's own account panel: sign-in form, switch, sign-out, and the two mishaps to try.
 * @param {HTMLElement} element
 */
export async function mountAccount(element) {
  place = element
  place.hidden = false
  accounts = await (await fetch('demo/accounts')).json()
  draw()
  followOutcomes()
}

function draw() {
  showUser(accounts.current)
  place.replaceChildren(accounts.current ? drawSignedIn(accounts.current) : drawSignInForm())
}

function drawSignInForm() {
  const part = copyOf('signed-out')
  const form = /** @type {HTMLFormElement} */ (find(part, 'form'))
  find(form, '.people').append(...accounts.users.map(drawPerson))
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    void signIn(/** @type {HTMLInputElement} */ (find(form, 'input:checked')).value)
  })
  return part
}

/** @param {User} user @param {number} index */
function drawPerson(user, index) {
  const person = copyOf('person')
  const radio = /** @type {HTMLInputElement} */ (find(person, 'input'))
  radio.value = user.id
  radio.checked = index === 0
  describe(person, user)
  return person
}

/** @param {User} user */
function drawSignedIn(user) {
  const panel = copyOf('signed-in')
  const other = accounts.users.find(({ id }) => id !== user.id) ?? user
  /** @type {Record<string, () => Promise<void>>} */
  const actions = { switch: () => signIn(other.id), 'sign-out': signOut, expire, fail }
  describe(panel, user)
  for (const button of panel.querySelectorAll('button')) {
    const { action = '' } = button.dataset
    if (action === 'switch') button.textContent = `Switch to ${other.name}`
    button.addEventListener('click', () => void actions[action]?.())
  }
  return panel
}

/** @param {DocumentFragment} part @param {User} user */
function describe(part, { name, email }) {
  const texts = { '.initials': name.replaceAll(/(\w)\w*\s*/g, '$1'), b: name, small: email }
  for (const [selector, text] of Object.entries(texts)) find(part, selector).textContent = text
}

/** @param {string} user */
async function signIn(user) {
  // Signs out first, so that nothing of the last user stays in view.
  if (accounts.current) await window.returningAI.signOut()
  accounts.current = await order('sign-in', { user })
  report(`${accounts.current?.name} signed in to the app.`)
  redraw('[data-action=switch]')
  await window.returningAI.refresh()
}

async function signOut() {
  await order('sign-out')
  delete accounts.current
  redraw('input:checked')
  await window.returningAI.signOut()
}

async function expire() {
  await order('expire')
  report('The vendor ended the token. The widgets notice within two seconds.')
}

async function fail() {
  await order('fail')
  report('The vendor ended the token and will refuse the next request once.')
}

/** Draws the panel again and keeps the keyboard focus in it. @param {string} goal */
function redraw(goal) {
  draw()
  find(place, goal).focus()
}

/** @param {string} name @param {object} body */
async function order(name, body = {}) {
  const response = await fetch(`demo/${name}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
  return response.status === 200 ? response.json() : undefined
}
