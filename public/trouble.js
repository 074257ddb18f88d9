import { causeOf } from './causes.js'
import { byId, find } from './dom.js'

/**
 * Shows what went wrong, what to do, and how to find it in the log.
 * @param {{ code: string, requestId?: string, retrying?: boolean }} problem
 */
export function showTrouble({ code, requestId, retrying = false }) {
  const { say, fix, outcomes } = causeOf(code)
  const place = byId('trouble')
  place.dataset.tone = toneOf(code, retrying)
  find(place, 'h2').textContent = say
  find(place, '.fix').replaceChildren(...markNames(fix))
  find(place, '.retrying').hidden = !retrying
  showRow('code', code)
  showRow('request-id', requestId)
  showRow('outcomes', outcomes, 'Possible “outcome” in the log')
  place.hidden = false
}

/**
 * Shows the outcome that the log has for the failure, if it is still in view.
 * @param {string} requestId @param {string} outcome
 */
export function showOutcome(requestId, outcome) {
  if (find(byId('trouble'), '[data-of=request-id]').textContent !== requestId) return
  showRow('outcomes', outcome, '“outcome” in the log')
}

export function hideTrouble() {
  byId('trouble').hidden = true
}

/** @param {string} code @param {boolean} retrying */
function toneOf(code, retrying) {
  if (retrying) return 'busy'
  return code === 'session_missing' ? 'idle' : 'bad'
}

/** Puts the names of settings into code elements. @param {string} text */
function markNames(text) {
  return text.split(/([A-Z]+(?:_[A-Z]+)+)/).map((part, index) => {
    if (index % 2 === 0) return part
    const code = document.createElement('code')
    code.textContent = part
    return code
  })
}

/** @param {string} name @param {string | undefined} text @param {string} [label] */
function showRow(name, text, label) {
  const value = find(byId('trouble'), `[data-of=${name}]`)
  const row = /** @type {HTMLElement} */ (value.closest('div'))
  value.textContent = text ?? ''
  if (label) find(row, 'dt').textContent = label
  row.hidden = text === undefined
}
