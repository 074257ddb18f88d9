import { embeds, planRenewal, remove, serveEmbeds, type Embed } from './keeper.ts'
import type { Source } from './source.ts'
import { start, type Core } from './start.ts'

/*
 * Keeps the vendor's SDK tags in `<returning-ai-embed>` supplied with embed tokens. The SDK takes a token
 * once and never asks for another.
 */
start('embed-token', 'embedToken', run)

function run(core: Core, source: Source, script: Element): void {
  const perTag = script.hasAttribute('data-per-tag')
  const remake = script.getAttribute('data-renew') === 'remake'

  /** Renewed in place, unless a hidden page has to wait: then as soon as it is seen. */
  function keep(): void {
    planRenewal(source, () => source.want())
  }

  function serve(): void {
    serveEmbeds(source, perTag, remake)
    keep()
  }

  core.follow({
    listen: () => addEventListener('visibilitychange', keep),
    serve,
    forget: (gone, only) => {
      if (gone && (!only || only === source)) embeds.forEach(remove)
    },
  })

  class EmbedElement extends HTMLElement {
    #embed: Embed = { host: this, tags: [], token: undefined, due: true }
    #observer = new MutationObserver(() => this.#ready())

    connectedCallback() {
      this.#observer.observe(this, { childList: true })
      this.#ready()
    }

    disconnectedCallback() {
      this.#observer.disconnect()
      remove(this.#embed)
      embeds.delete(this.#embed)
      keep()
    }

    /**
     * The parser creates a template before it fills it. A node after the template shows that it is complete.
     */
    #ready() {
      const template = this.querySelector(':scope > template')
      const complete = template?.nextSibling ?? this.nextSibling ?? document.readyState !== 'loading'
      if (!template || !complete || embeds.has(this.#embed)) return
      embeds.add(this.#embed)
      serve()
    }
  }
  customElements.define('returning-ai-embed', EmbedElement)
  document.addEventListener('DOMContentLoaded', () => {
    for (const element of document.querySelectorAll('returning-ai-embed')) element.append('')
  })
}
