import { describe, expect, it } from 'vitest'
import { Abort, type AbortSignalLike } from '../../src/lib/abort.ts'

type Pair = { signal: AbortSignalLike; abort: (reason?: unknown) => void }

function createNodes(): Pair {
  const controller = new AbortController()
  return { signal: controller.signal, abort: (reason) => controller.abort(reason) }
}

function createOurs(): Pair {
  const signal = new Abort()
  return { signal, abort: (reason) => signal.abort(reason) }
}

describe.each([
  ['Node’s AbortSignal', createNodes],
  ['our Abort', createOurs],
])('%s', (_name, create) => {
  it('tells each listener once, but not one that was taken off, and keeps the first reason', () => {
    const { signal, abort } = create()
    const told: string[] = []
    const leaving = () => told.push('leaving')
    signal.addEventListener('abort', () => told.push('first'))
    signal.addEventListener('abort', leaving)
    signal.addEventListener('abort', () => told.push('second'))
    signal.removeEventListener('abort', leaving)
    expect(() => signal.throwIfAborted()).not.toThrow()
    abort(new Error('gone'))
    abort(new Error('again'))
    expect(told).toEqual(['first', 'second'])
    expect(signal.aborted).toBe(true)
    expect(() => signal.throwIfAborted()).toThrow('gone')
  })

  it('has an AbortError for a reason where none is given', () => {
    const { signal, abort } = create()
    abort()
    expect(signal.reason).toMatchObject({ name: 'AbortError' })
  })
})
