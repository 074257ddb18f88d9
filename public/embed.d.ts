/** What `embed.js` adds to a page: the global and the events of the bridge, and one element. */
import type { ElementAttributes } from './bridge.d.ts'

export type * from './bridge.d.ts'

/** The attributes of `<returning-ai-embed>`. */
export interface EmbedAttributes {
  /** React puts the children of a `<template>` where browsers do not look for them. */
  dangerouslySetInnerHTML?: { __html: string }
  /** The same in Vue. */
  innerHTML?: string
}

/** `<returning-ai-embed><template><rai-store-widget …></rai-store-widget></template></returning-ai-embed>` */
export interface ReturningAIEmbedElement extends HTMLElement {}

interface Elements {
  'returning-ai-embed': EmbedAttributes & ElementAttributes<ReturningAIEmbedElement>
}

declare global {
  interface HTMLElementTagNameMap {
    'returning-ai-embed': ReturningAIEmbedElement
  }
}

// @ts-ignore: for pages with React alone
declare module 'react' {
  namespace JSX {
    interface IntrinsicElements extends Elements {}
  }
}

// @ts-ignore: for pages with Vue alone
declare module 'vue' {
  interface GlobalComponents {
    'returning-ai-embed': new () => { $props: Elements['returning-ai-embed'] }
  }
}
