import { byId } from './dom.js'

/** Adds a line to "What is happening". @param {string} sentence */
export function report(sentence) {
  const line = document.createElement('li')
  const time = document.createElement('time')
  time.textContent = new Date().toLocaleTimeString('en-GB')
  line.append(time, sentence)
  byId('journal').prepend(line)
  byId('happening').hidden = false
  while (byId('journal').childElementCount > 40) byId('journal').lastElementChild?.remove()
}
