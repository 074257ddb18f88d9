import { describe, expect, it } from 'vitest'
import { createBatch } from '../../src/telemetry/batch.ts'

describe('A batch', () => {
  it('does nothing before it is full, and then everything in order', () => {
    const done: number[] = []
    const batch = createBatch({ size: 3, settled: () => done.push(0) })
    for (const number of [1, 2]) batch.add(() => done.push(number))
    expect(done).toEqual([])
    batch.add(() => done.push(3))
    expect(done).toEqual([1, 2, 3, 0])
  })

  it('does what is pending when asked to, once', () => {
    const done: number[] = []
    const batch = createBatch({ size: 3 })
    batch.add(() => done.push(1))
    batch.settle()
    batch.settle()
    expect(done).toEqual([1])
  })

  it('accepts new work while it does its work', () => {
    const done: number[] = []
    const batch = createBatch({ size: 2 })
    batch.add(() => batch.add(() => done.push(2)))
    batch.add(() => done.push(1))
    batch.settle()
    expect(done).toEqual([1, 2])
  })

  it('does pending work after a while, even after it was settled', async () => {
    const done: number[] = []
    const batch = createBatch({ size: 3, lingerMs: 1 })
    batch.add(() => done.push(1))
    batch.settle()
    await new Promise<void>((resolve) => batch.add(resolve))
    expect(done).toEqual([1])
  })
})
