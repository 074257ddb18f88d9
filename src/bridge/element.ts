import { watch } from './frames.ts'

const PASSED_ON = ['data-token-url', 'data-token', 'credentialless']

/** Defines `<returning-ai-widget>`, which makes the iframe in a shadow root: a framework's own children stay as they are. */
export function defineElement(origins: readonly string[]): void {
  class WidgetElement extends HTMLElement {
    static observedAttributes = ['type', 'widget-id', 'title', 'height', ...PASSED_ON]
    #root = this.attachShadow({ mode: 'open' })

    connectedCallback() {
      this.attributeChangedCallback()
    }

    attributeChangedCallback() {
      const type = this.getAttribute('type')
      const id = this.getAttribute('widget-id')
      if (!this.isConnected || !type || !id) return
      const src = `${origins[0]}/${type}/${id}`
      const present = this.#root.querySelector('iframe')
      const frame = present?.src === src ? present : document.createElement('iframe')
      frame.allow = 'clipboard-write'
      frame.width = '100%'
      frame.height = this.getAttribute('height') ?? '600'
      frame.title = this.title || 'Widget'
      for (const name of PASSED_ON)
        if (this.hasAttribute(name)) frame.setAttribute(name, this.getAttribute(name) ?? '')
      if (frame === present) return
      frame.src = src
      watch(frame)
      this.#root.replaceChildren(frame)
    }
  }
  if (!customElements.get('returning-ai-widget')) customElements.define('returning-ai-widget', WidgetElement)
}
