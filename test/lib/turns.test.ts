import { describe, expect, it } from 'vitest'
import { createTurns } from '../../src/lib/turns.ts'

const never = new AbortController().signal

/** Work that ends when the test says so, and results in the number of its run. */
function createWork() {
  const ends: (() => void)[] = []
  const work = () =>
    new Promise<number>((resolve) => {
      const number = ends.length
      ends.push(() => resolve(number))
    })
  return { ends, work }
}

describe('Turns', () => {
  it('start a run after each call, so that callers during a run share the next one', async () => {
    const take = createTurns<number>()
    const { ends, work } = createWork()
    const first = take('key', never, work)
    const second = [take('key', never, work), take('key', never, work)]
    expect(ends).toHaveLength(1)
    ends[0]!()
    expect(await first).toBe(0)
    await expect.poll(() => ends.length).toBe(2)
    const third = take('key', never, work)
    ends[1]!()
    expect(await Promise.all(second)).toEqual([1, 1])
    await expect.poll(() => ends.length).toBe(3)
    ends[2]!()
    expect(await third).toBe(2)
  })

  it('of one key do not wait for those of another key', () => {
    const take = createTurns<number>()
    const { ends, work } = createWork()
    void take('one', never, work)
    void take('two', never, work)
    expect(ends).toHaveLength(2)
  })

  it('continue after a failed run', async () => {
    const take = createTurns<number>()
    const failed = take('key', never, () => Promise.reject(new Error('the source failed')))
    const next = take('key', never, async () => 7)
    await expect(failed).rejects.toThrow('the source failed')
    expect(await next).toBe(7)
  })

  it('are not used for a caller that has left', async () => {
    const take = createTurns<number>()
    const { ends, work } = createWork()
    const first = take('key', never, work)
    const leaving = new AbortController()
    const left = take('key', leaving.signal, work)
    leaving.abort(new Error('the caller hung up'))
    await expect(left).rejects.toThrow('the caller hung up')
    ends[0]!()
    await first
    await new Promise(setImmediate)
    expect(ends).toHaveLength(1)
  })
})
