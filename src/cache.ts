export interface Cache<Value> {
  get(key: string): Value | undefined
  set(key: string, value: Value): void
}

/**
 * Remembers in bounded memory: at least the `capacity` values that were used last, at most twice as many. What is used moves from the
 * elder generation to the younger; a full younger one becomes the elder, whose rest is forgotten. `weigh` says for how many a value counts.
 */
export function createCache<Value>(
  capacity: number,
  weigh: (value: Value) => number = () => 1,
): Cache<Value> {
  let younger = new Map<string, Value>()
  let elder = younger
  let room = capacity

  function set(key: string, value: Value): void {
    const replaced = younger.get(key)
    if (replaced !== undefined) room += weigh(replaced)
    const weight = weigh(value)
    if (weight > room) {
      elder = younger
      younger = new Map()
      room = capacity
    }
    room -= weight
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
