import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { createSingleFlight } from '../../src/lib/single-flight.ts'

interface Work {
  signal: AbortSignal
  resolve: (value: string) => void
  reject: (error: Error) => void
}

/** A flight whose works are ended by the test, with the works that were begun. */
function scriptedFlight() {
  const begun: Work[] = []
  const share = createSingleFlight<string>()
  const ask = (key = 'key', signal: AbortSignal = new AbortController().signal) =>
    share(key, signal, (shared) => {
      return new Promise((resolve, reject) => {
        begun.push({ signal: shared, resolve, reject })
      })
    })
  return { begun, ask }
}

describe('A single flight', () => {
  it('runs the work of a key once for all callers that wait for it, and separately for each key', async () => {
    const { begun, ask } = scriptedFlight()
    const asked = [ask('one'), ask('one'), ask('two')]
    expect(begun).toHaveLength(2)
    begun[0]!.resolve('first')
    begun[1]!.resolve('second')
    expect(await Promise.all(asked)).toEqual(['first', 'first', 'second'])
  })

  it('starts again once the work has succeeded or failed', async () => {
    const { begun, ask } = scriptedFlight()
    const failed = ask()
    begun[0]!.reject(new Error('no luck'))
    await expect(failed).rejects.toThrow('no luck')
    const succeeded = ask()
    begun[1]!.resolve('luck')
    expect(await succeeded).toBe('luck')
    void ask()
    expect(begun).toHaveLength(3)
  })

  it('rejects for every waiting caller when the work fails', async () => {
    const { begun, ask } = scriptedFlight()
    const asked = [ask(), ask()]
    begun[0]!.reject(new Error('no luck'))
    expect(await Promise.allSettled(asked)).toMatchObject([{ status: 'rejected' }, { status: 'rejected' }])
  })

  it('continues for the others when one caller leaves', async () => {
    const { begun, ask } = scriptedFlight()
    const leaving = new AbortController()
    const [left, stayed] = [ask('key', leaving.signal), ask()]
    leaving.abort(new Error('gone'))
    await expect(left).rejects.toThrow('gone')
    expect(begun[0]!.signal.aborted).toBe(false)
    begun[0]!.resolve('value')
    expect(await stayed).toBe('value')
  })

  it('aborts the work when the last caller leaves, and starts again for the next', async () => {
    const { begun, ask } = scriptedFlight()
    const leaving = new AbortController()
    const left = [ask('key', leaving.signal), ask('key', leaving.signal)]
    leaving.abort(new Error('gone'))
    expect(await Promise.allSettled(left)).toMatchObject([{ status: 'rejected' }, { status: 'rejected' }])
    expect(begun[0]!.signal.aborted).toBe(true)
    const next = ask()
    begun[0]!.reject(new Error('aborted'))
    await new Promise(setImmediate)
    void ask()
    expect(begun).toHaveLength(2)
    begun[1]!.resolve('value')
    expect(await next).toBe('value')
  })

  it('starts nothing for a caller that has already left', async () => {
    const { begun, ask } = scriptedFlight()
    await expect(ask('key', AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone')
    expect(begun).toEqual([])
  })

  it('leaves no listener on a signal that outlives the work', async () => {
    const { begun, ask } = scriptedFlight()
    const { signal } = new AbortController()
    const asked = ask('key', signal)
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    begun[0]!.resolve('value')
    await asked
    await new Promise(setImmediate)
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })
})
