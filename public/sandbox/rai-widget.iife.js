// A stand-in for the vendor's widget SDK. Its elements take a token once, as the vendor documents, and never
// ask for another.
;(() => {
  const vendor = new URL(/** @type {HTMLScriptElement} */ (document.currentScript).src).origin

  /** Each tag, the type of its widget, and the attribute that holds the widget's id. */
  const tags = /** @type {const} */ ([
    ['rai-store-widget', 'store-widget', 'community-id'],
    ['rai-channel-widget', 'channel-widget', 'channel-id'],
    ['rai-milestone-widget', 'milestone-widget', 'community-id'],
    ['rai-social-widget', 'social-widget', 'community-id'],
    ['rai-currency-widget', 'currency-overview-widget', 'community-id'],
    ['rai-custom-widget', 'store-widget', 'widget-id'],
  ])

  /** @param {string} url @param {RequestInit} options */
  async function readJson(url, options) {
    const response = await fetch(url, options)
    if (!response.ok) throw new Error(`status ${response.status}`)
    return response.json()
  }

  /** @param {string} embedToken */
  async function validate(embedToken) {
    const { data } = await readJson(`${vendor}/v2/api/widget-access-keys/validate`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ embedToken }),
    })
    return data.accessToken
  }

  /** The legacy mode: the page's own server gives the token. @param {string} url @param {string | null} email */
  async function askAuthUrl(url, email) {
    const headers = new Headers()
    if (email !== null) headers.set('email', email)
    const answer = await readJson(url, { method: 'POST', credentials: 'include', headers })
    return answer.token
  }

  /** @param {string} type @param {string} idAttribute */
  function createWidget(type, idAttribute) {
    return class extends HTMLElement {
      #started = false

      connectedCallback() {
        if (this.#started) return
        this.#started = true
        this.dataset.state = 'pending'
        this.#start().catch((/** @type {Error} */ error) => this.#show('refused', error.message))
      }

      async #start() {
        const token = await this.#authenticate()
        const id = encodeURIComponent(this.getAttribute(idAttribute) ?? '')
        const headers = { Authorization: `Bearer ${token}` }
        const content = await readJson(`${vendor}/widget-content/${type}/${id}`, { headers })
        this.#show('signed-in', `Sandbox: ${content.title} of ${content.email}`)
      }

      async #authenticate() {
        const authUrl = this.getAttribute('auth-url')
        const embedToken = this.getAttribute('embed-token')
        if (embedToken !== null) return validate(embedToken)
        if (authUrl !== null) return askAuthUrl(authUrl, this.getAttribute('data-email'))
        throw new Error('neither embed-token nor auth-url')
      }

      /** @param {string} state @param {string} text */
      #show(state, text) {
        this.dataset.state = state
        this.textContent = text
        this.dispatchEvent(new CustomEvent(`rai-${state}`, { bubbles: true }))
      }
    }
  }

  for (const [tag, type, idAttribute] of tags) customElements.define(tag, createWidget(type, idAttribute))
})()
