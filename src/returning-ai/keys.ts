import { hash } from 'node:crypto'
import type { Logger } from '../telemetry/logger.ts'
import { watchKeyFile } from './key-file.ts'

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
  all: readonly KeyRing[]
  /** The ring of a widget type that has a key of its own, else the default one. */
  of(widgetType: string | undefined): KeyRing
  close(): void
}

interface KeyRingsOptions {
  keys: readonly string[]
  byWidgetType: ReadonlyMap<string, string>
  /** Where the keys came from, when it was a file: its changes are followed. */
  file?: string
  logger: Logger
}

/** Makes the rings of `WIDGET_API_KEY` and `WIDGET_API_KEYS`. */
export function createKeyRings({ keys, byWidgetType, file, logger }: KeyRingsOptions): KeyRings {
  let current = keys.map(identifyKey)
  // No widget type can be called so: its tokens would be taken for those of this ring.
  const fallback = { name: '', current: () => current }
  const rings = new Map([...byWidgetType].map(([type, key]) => [type, createFixedRing(type, key)]))

  function replace(values: readonly string[]): void {
    const found = values.map(identifyKey)
    const keyIds = found.map(({ id }) => id)
    current = found
    logger.info({ event: 'api_key_file', keyIds }, 'WIDGET_API_KEY_FILE is in use as it now is')
  }

  function reject(outcome: string): void {
    const keyIds = current.map(({ id }) => id)
    const advice =
      'WIDGET_API_KEY_FILE must be readable and hold one or two lines of visible ASCII: the keys read before stay in use'
    logger.error({ event: 'api_key_file', outcome, keyIds }, advice)
  }

  const watch = file === undefined ? undefined : watchKeyFile(file, { keys, replace, reject })
  return {
    all: [fallback, ...rings.values()],
    of: (widgetType) => (widgetType === undefined ? fallback : (rings.get(widgetType) ?? fallback)),
    close: () => watch?.close(),
  }
}

function createFixedRing(name: string, value: string): KeyRing {
  const keys = [identifyKey(value)]
  return { name, current: () => keys }
}

export function identifyKey(value: string): ApiKey {
  return { id: hash('sha256', value, 'hex').slice(0, 8), value }
}

const preferenceMs = 60_000

/** Remembers for a minute which of some keys the vendor took after it had refused the first; a changed file is other keys. */
export function createKeyOrder() {
  const preferred = new WeakMap<readonly ApiKey[], { id: string; until: number }>()
  return {
    of(keys: readonly ApiKey[]): readonly ApiKey[] {
      const choice = preferred.get(keys)
      if (choice === undefined || performance.now() > choice.until) return keys
      return keys.toSorted((a, b) => Number(b.id === choice.id) - Number(a.id === choice.id))
    },
    prefer(keys: readonly ApiKey[], { id }: ApiKey): void {
      preferred.set(keys, { id, until: performance.now() + preferenceMs })
    },
  }
}
