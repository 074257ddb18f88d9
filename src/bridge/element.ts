import { watch } from './frames.ts'

const PASSED_ON = ['title', 'height', 'data-token-url', 'data-token', 'credentialless']

/**
 * Defines `<returning-ai-widget>`. Its iframe is in a shadow root, so that a framework's own children stay as
 * they are.
 */
export function defineElement(origins: readonly string[]): void {
  class WidgetElement extends HTMLElement {
    static observedAttributes = ['type', 'widget-id', ...PASSED_ON]
    #root = this.attachShadow({ mode: 'open' })

    attributeChangedCallback() {
      const type = this.getAttribute('type')
      const id = this.getAttribute('widget-id')
      if (!type || !id) return
      const src = `${origins[0]}/${type}/${id}`
      const present = this.#root.querySelector('iframe')
      const frame = present?.src === src ? present : document.createElement('iframe')
      Object.assign(frame, { allow: 'clipboard-write', width: '100%', height: '600', title: 'Widget' })
      for (const name of PASSED_ON) {
        const value = this.getAttribute(name)
        if (value !== null) frame.setAttribute(name, value)
      }
      if (frame === present) return
      frame.src = src
      watch(frame)
      this.#root.replaceChildren(frame)
    }
  }
  customElements.define('returning-ai-widget', WidgetElement)
}
