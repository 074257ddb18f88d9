import { byId, copyOf, find } from './dom.js'

/** @typedef {{ allowedOrigins: string[], doors: string[], widgets: { public: boolean }[] }} SetupConfig */

/** @typedef {'running' | 'https' | 'widgets' | 'session' | 'token' | 'handed'} Step */

/**
 * Shows the checklist of the setup. The page calls `tick` when it sees that a step is done, or no longer is.
 * @param {SetupConfig} config
 */
export function mountSetup({ allowedOrigins, doors, widgets }) {
  const place = byId('setup')
  place.replaceChildren(copyOf('checklist'))
  place.hidden = false
  // The page shows no SDK tags, so it cannot see that they get the token.
  if (!doors.includes('signin')) find(place, '[data-step=handed]').remove()
  tick('running', true)
  tick('https', isSecureContext)
  tick('widgets', widgets.length > 0)
  find(place, '[data-of=own-origin]').textContent = location.origin
  find(place, '[data-of=allowed-origins]').textContent = allowedOrigins.join(', ') || 'none'
}

/** @param {Step} step @param {boolean} done */
export function tick(step, done) {
  const item = byId('setup').querySelector(`[data-step=${step}]`)
  if (!(item instanceof HTMLElement)) return
  item.dataset.done = String(done)
  find(item, '.mark-text').textContent = done ? 'Done: ' : 'To do: '
  const all = byId('setup').querySelectorAll('[data-step]').length
  const ticked = byId('setup').querySelectorAll('[data-done=true]').length
  find(byId('setup'), '.count').textContent = ticked === all ? 'Complete' : `${ticked} of ${all}`
}
