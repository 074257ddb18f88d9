import { byId, copyOf, find } from './dom.js'
import { showCode } from './highlight.js'
import { createTab, makeTabs } from './tabs.js'

/** @typedef {{ type: string, id: string, public: boolean }} ConfiguredWidget */
/** @typedef {import('./recipes.js').Widget} Widget */
/** @typedef {import('./embed-code.js').EmbedConfig & { widgets: ConfiguredWidget[] }} WidgetsConfig */

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
 * @param {WidgetsConfig} config @param {import('./embed-code.js').RecipeBook} recipesFor
 */
export function showWidgets(config, recipesFor) {
  const panels = config.widgets.map(withLabel).map((widget, index) => {
    const panel = addWidget(widget, index, config)
    addRecipes(panel, recipesFor(widget))
    return panel
  })
  byId('tabs').hidden = false
  makeTabs(byId('tabs'), panels)
}

/**
 * Numbers the widgets of a type from the second on.
 * @param {ConfiguredWidget} widget @param {number} index @param {ConfiguredWidget[]} all
 */
function withLabel(widget, index, all) {
  const words = widget.type.replaceAll('-', ' ')
  const label = labels[widget.type] ?? words.charAt(0).toUpperCase() + words.slice(1)
  const earlier = all.slice(0, index).filter(({ type }) => type === widget.type).length
  return { ...widget, label: earlier === 0 ? label : `${label} ${earlier + 1}` }
}

/** @param {Widget} widget @param {number} index @param {WidgetsConfig} config */
function addWidget(widget, index, { widgetOrigin, doors }) {
  const panel = find(copyOf('panel'), '[role=tabpanel]')
  panel.id = `panel-${index}`
  const address = `${widgetOrigin}/${widget.type}/${widget.id}`
  find(panel, '.url').textContent = address
  find(panel, '.door').textContent = doorOf(widget, doors)
  const framed = widget.public || doors.includes('signin')
  find(panel, '.frame').append(framed ? frameOf(widget, address) : copyOf('by-tag'))
  byId('tabs').append(createTab(`tab-${index}`, widget.label))
  byId('panels').append(panel)
  return panel
}

/** How the widget on this page signs in. @param {Widget} widget @param {string[]} doors */
function doorOf(widget, doors) {
  if (widget.public) return 'Public: no sign-in'
  return doors.includes('signin') ? 'Signs in with the widget API key' : 'Signs in with Access Key Embed'
}

/** @param {HTMLElement} panel @param {import('./recipes.js').Recipe[]} recipes */
function addRecipes(panel, recipes) {
  const list = find(panel, '.recipes')
  const parts = recipes.map(({ name, hint, code }, index) => {
    const part = find(copyOf('recipe'), '.recipe')
    part.id = `${panel.id}-recipe-${index}`
    find(part, '.hint').textContent = hint
    showCode(find(part, 'code'), code)
    list.append(createTab(`${part.id}-tab`, name))
    return part
  })
  list.after(...parts)
  makeTabs(list, parts)
  find(panel, '.copy').addEventListener('click', () => void copy(panel))
}

/** @param {Widget} widget @param {string} address */
function frameOf(widget, address) {
  const frame = document.createElement('iframe')
  frame.title = widget.label
  frame.allow = 'clipboard-write'
  frame.src = address
  return frame
}

/** @param {HTMLElement} panel */
async function copy(panel) {
  const button = find(panel, '.copy')
  const code = find(panel, '.recipe:not([hidden]) code')
  try {
    await navigator.clipboard.writeText(code.textContent ?? '')
    button.textContent = 'Copied'
  } catch {
    // Plain http or a missing permission keeps the clipboard away. Once the code is selected, one keystroke
    // copies it.
    getSelection()?.selectAllChildren(code)
    button.textContent = 'Selected'
  }
  setTimeout(() => (button.textContent = 'Copy'), 2000)
}
