import { read } from './page.ts'
import type { Answer, Source } from './source.ts'

/** One `<returning-ai-embed>`: the vendor's tags that its template holds. */
export interface Embed {
  host: HTMLElement
  /** The tags made from the template; none before there is a token. */
  tags: Element[]
  token: Answer | undefined
  /** Wants a token: has none, or one that is about to end. */
  due: boolean
}

export const embeds = new Set<Embed>()
let renewal = 0

/** Whether a token may still be put into a tag. */
function isAlive({ at, lifeMs }: Answer): boolean {
  return Date.now() - at < lifeMs
}

/** Hands a new token to all embeds. With `perTag`, hands it to one that wants it, and asks for the next. */
export function serveEmbeds(source: Source, perTag: boolean, remake: boolean): void {
  const { answer } = source
  const all = [...embeds]
  const wanting = all.filter(({ token, due }) => (perTag ? due : token !== answer || due))
  if (!wanting.length) return
  const used = perTag && all.some(({ token }) => token === answer)
  if (!answer || !isAlive(answer) || used) return source.want()
  const given = perTag ? wanting.slice(0, 1) : wanting
  for (const embed of given) give(embed, answer, remake)
  if (given.length < wanting.length) source.want()
}

function give(embed: Embed, answer: Answer, remake: boolean): void {
  const template = embed.host.querySelector<HTMLTemplateElement>(':scope > template')
  if (!template) return
  const asleep = embed.token && !isAlive(embed.token)
  if (remake || asleep) remove(embed)
  embed.token = answer
  embed.due = false
  if (embed.tags.length)
    for (const tag of vendorTags(embed.host)) tag.setAttribute('embed-token', answer.token)
  else make(embed, template, answer.token)
}

/** The attribute is set while the copy is inert: the vendor's script never sees a tag without it. */
function make(embed: Embed, template: HTMLTemplateElement, token: string): void {
  const copy = template.content.cloneNode(true) as DocumentFragment
  for (const tag of vendorTags(copy)) tag.setAttribute('embed-token', token)
  embed.tags = [...copy.children]
  embed.host.append(copy)
}

function vendorTags(root: ParentNode): Element[] {
  return [...root.querySelectorAll('*')].filter(({ localName }) => localName.startsWith('rai-'))
}

export function remove(embed: Embed): void {
  for (const tag of embed.tags) tag.remove()
  embed.tags = []
  embed.token = undefined
  embed.due = true
}

/**
 * Asks for the next token a minute before the end, or after half of a short life. A hidden page waits until
 * it is visible.
 */
export function planRenewal({ answer }: Source, ask: () => void): void {
  clearTimeout(renewal)
  if (!answer || !embeds.size) return
  const dueMs = Math.max(answer.lifeMs - 60_000, answer.lifeMs / 2) - (Date.now() - answer.at)
  if (dueMs > 0) renewal = window.setTimeout(() => planRenewal({ answer } as Source, ask), dueMs)
  else if (!read('hidden')) {
    for (const embed of embeds) embed.due = true
    ask()
  }
}
