import { fingerprint } from '../lib/fingerprint.ts'
import { putFirst } from '../lib/order.ts'

/** An API key and what the log may call it. */
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
  /** The widget types that have a key of their own. */
  types(): string[]
  /** Replaces the keys that are in use. */
  replace(keys: ConfiguredKeys): void
}

interface ConfiguredKeys {
  keys: readonly string[]
  byWidgetType: ReadonlyMap<string, string>
}

/** Makes the rings of `WIDGET_API_KEY` and `WIDGET_API_KEYS`. */
export function createKeyRings({ keys, byWidgetType }: ConfiguredKeys): KeyRings {
  // No widget type has the empty name, so the tokens of this ring never mix with those of another.
  const fallback = createRing('', keys)
  let rings = createTypeRings(byWidgetType)
  return {
    of: (widgetType) => (widgetType === undefined ? fallback : (rings.get(widgetType) ?? fallback)),
    types: () => [...rings.keys()],
    replace(changed) {
      fallback.replace(changed.keys)
      const known = rings
      rings = createTypeRings(changed.byWidgetType)
      for (const [type, ring] of rings) {
        const old = known.get(type)
        if (old === undefined) continue
        old.replace(ring.current().map(({ value }) => value))
        rings.set(type, old)
      }
    },
  }
}

type ReplaceableRing = KeyRing & { replace(values: readonly string[]): void }

function createTypeRings(keys: ReadonlyMap<string, string>): Map<string, ReplaceableRing> {
  return new Map([...keys].map(([type, key]) => [type, createRing(type, [key])]))
}

function createRing(name: string, values: readonly string[]): ReplaceableRing {
  let keys = values.map(identifyKey)
  return {
    name,
    current: () => keys,
    // The same keys stay the same list, because the list identifies which key the vendor accepts.
    replace(found) {
      if (found.join('\n') !== keys.map(({ value }) => value).join('\n')) keys = found.map(identifyKey)
    },
  }
}

export function identifyKey(value: string): ApiKey {
  return { id: fingerprint(value), value }
}

const preferenceMs = 60_000

/**
 * Remembers for a minute which key of a list the vendor accepted after it had refused the first. A changed
 * file is another list.
 */
export function createKeyOrder() {
  const preferred = new WeakMap<readonly ApiKey[], { key: ApiKey; until: number }>()
  return {
    of(keys: readonly ApiKey[]): readonly ApiKey[] {
      const choice = preferred.get(keys)
      if (choice === undefined || performance.now() > choice.until) return keys
      return putFirst(choice.key, keys)
    },
    prefer(keys: readonly ApiKey[], key: ApiKey): void {
      preferred.set(keys, { key, until: performance.now() + preferenceMs })
    },
  }
}
