import { hash } from 'node:crypto'

/** A widget API key and what the log may call it: the first eight hex digits of its SHA-256. */
export interface ApiKey {
  id: string
  value: string
}

/** The keys of one purpose, the preferred one first; further ones are for when the vendor refuses it. */
export interface KeyRing {
  name: string
  current(): readonly ApiKey[]
}

export interface KeyRings {
  /** The ring of a widget type that has a key of its own, else the default one. */
  of(widgetType: string | undefined): KeyRing
}

/** Makes the rings of `WIDGET_API_KEY` and `WIDGET_API_KEYS`. */
export function createKeyRings(keys: readonly string[], byWidgetType: ReadonlyMap<string, string>): KeyRings {
  const fallback = createRing('default', keys)
  const rings = new Map([...byWidgetType].map(([type, key]) => [type, createRing(type, [key])]))
  return { of: (widgetType) => (widgetType === undefined ? fallback : (rings.get(widgetType) ?? fallback)) }
}

function createRing(name: string, values: readonly string[]): KeyRing {
  const keys = values.map((value) => ({ id: hash('sha256', value, 'hex').slice(0, 8), value }))
  return { name, current: () => keys }
}
