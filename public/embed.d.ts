/** What `embed.js` adds to a page: the global and the events of the bridge, and one element. */
export type * from './bridge.d.ts'

/** `<returning-ai-embed><template><rai-store-widget …></rai-store-widget></template></returning-ai-embed>` */
export interface ReturningAIEmbedElement extends HTMLElement {}

declare global {
  interface HTMLElementTagNameMap {
    'returning-ai-embed': ReturningAIEmbedElement
  }
}
