/**
 * The ARIA tabs pattern: arrows move and wrap, Home and End jump, one panel shows at a time.
 * @param {HTMLElement} list @param {HTMLElement[]} panels In the order of the list's tabs.
 */
export function makeTabs(list, panels) {
  const tabs = /** @type {HTMLElement[]} */ ([...list.children])

  /** @param {number} index */
  function select(index) {
    for (const [at, tab] of tabs.entries()) {
      tab.ariaSelected = String(at === index)
      tab.tabIndex = at === index ? 0 : -1
      const panel = panels[at]
      if (panel) panel.hidden = at !== index
    }
  }

  for (const [at, tab] of tabs.entries()) {
    tab.addEventListener('click', () => select(at))
    const panel = panels[at]
    if (!panel) continue
    tab.setAttribute('aria-controls', panel.id)
    panel.setAttribute('aria-labelledby', tab.id)
  }
  list.addEventListener('keydown', (event) => {
    const at = tabs.indexOf(/** @type {HTMLElement} */ (event.target))
    const goal = new Map([
      ['ArrowRight', (at + 1) % tabs.length],
      ['ArrowLeft', (at + tabs.length - 1) % tabs.length],
      ['Home', 0],
      ['End', tabs.length - 1],
    ]).get(event.key)
    if (goal === undefined) return
    event.preventDefault()
    select(goal)
    tabs[goal]?.focus()
  })
  select(0)
}

/** @param {string} id @param {string} label */
export function createTab(id, label) {
  const tab = document.createElement('button')
  Object.assign(tab, { type: 'button', role: 'tab', id, textContent: label })
  return tab
}
