/** The items of a list in their order, but one of them first. */
export function putFirst<Item>(first: Item, items: readonly Item[]): Item[] {
  return [first, ...items.filter((item) => item !== first)]
}
