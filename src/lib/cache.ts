export interface Cache<Value> {
  get(key: string): Value | undefined
  set(key: string, value: Value): void
}

/**
 * Keeps values in bounded memory: at least the `capacity` values that were used last, and at most twice as
 * many. A value that is used moves from the old generation to the young one. A full young generation becomes
 * the old one, and what is left there is dropped. `weigh` says for how many a value counts.
 */
export function createCache<Value>(
  capacity: number,
  weigh: (value: Value) => number = () => 1,
): Cache<Value> {
  let younger = new Map<string, Value>()
  let elder = new Map<string, Value>()
  /** By how much the values of the young generation weigh more than one each. */
  let surplus = 0

  function set(key: string, value: Value): void {
    const weight = weigh(value)
    const replaced = surplus > 0 ? younger.get(key) : undefined
    if (replaced !== undefined) surplus -= weigh(replaced) - 1
    if (younger.size + surplus + weight > capacity) {
      elder = younger
      younger = new Map()
      surplus = 0
    }
    surplus += weight - 1
    younger.set(key, value)
  }

  function get(key: string): Value | undefined {
    const value = younger.get(key)
    if (value !== undefined) return value
    const elderly = elder.get(key)
    if (elderly !== undefined) set(key, elderly)
    return elderly
  }

  return { get, set }
}
