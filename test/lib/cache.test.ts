import { describe, expect, it } from 'vitest'
import { createCache } from '../../src/lib/cache.ts'

/** Which of these numbers a cache still knows, each set once and in this order. */
function rememberedOf(count: number, weigh?: (value: number) => number): number[] {
  const cache = createCache<number>(10, weigh)
  const numbers = Array.from({ length: count }, (_, index) => index)
  for (const number of numbers) cache.set(String(number), number)
  return numbers.toReversed().filter((number) => cache.get(String(number)) === number)
}

describe('A cache', () => {
  it.each([10, 11, 15, 20, 21, 99, 1_000])(
    'that was given %i values keeps at least the last ten and at most twenty',
    (count) => {
      const known = rememberedOf(count)
      const last = Array.from({ length: 10 }, (_, index) => count - 1 - index)
      expect(known.slice(0, 10)).toEqual(last)
      expect(known.length).toBeLessThanOrEqual(20)
    },
  )

  it('keeps fewer values that count for several', () => {
    const known = rememberedOf(100, () => 5)
    expect(known.slice(0, 2)).toEqual([99, 98])
    expect(known.length).toBeLessThanOrEqual(4)
  })

  it('keeps a value for as long as it is used', () => {
    const cache = createCache<string>(10)
    cache.set('used', 'value')
    for (let number = 0; number < 1_000; number += 1) {
      cache.set(String(number), 'other')
      expect(cache.get('used')).toBe('value')
    }
  })

  it('drops nothing when one value is set repeatedly', () => {
    const cache = createCache<string>(2)
    cache.set('kept', 'value')
    for (let time = 0; time < 10; time += 1) cache.set('renewed', 'value')
    expect(cache.get('kept')).toBe('value')
  })

  it('returns the value that was set last', () => {
    const cache = createCache<string>(2)
    for (const value of ['first', 'second']) cache.set('key', value)
    cache.set('other', 'value')
    expect(cache.get('key')).toBe('second')
    expect(cache.get('nobody')).toBeUndefined()
  })
})
