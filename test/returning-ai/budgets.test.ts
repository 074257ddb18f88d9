import { beforeEach, describe, expect, it } from 'vitest'
import { createRetryBudget } from '../../src/returning-ai/retry.ts'

let nowMs: number
const now = () => nowMs
beforeEach(() => {
  nowMs = 1_000
})

/** How many retries there are until the budget is spent. */
function spend(budget = createRetryBudget(now)) {
  let spent = 0
  while (budget.spend()) spent += 1
  return { budget, spent }
}

describe('The budget of retries', () => {
  it('is ten at first', () => expect(spend().spent).toBe(10))

  it('grows by one for five calls', () => {
    const { budget } = spend()
    for (let nth = 0; nth < 4; nth += 1) budget.earn()
    expect(budget.spend()).toBe(false)
    budget.earn()
    expect(spend(budget).spent).toBe(1)
  })

  it('also grows by one each second, up to ten', () => {
    const { budget } = spend()
    nowMs += 1_000
    budget.earn()
    expect(spend(budget).spent).toBe(1)
    nowMs += 3_600_000
    budget.earn()
    expect(spend(budget).spent).toBe(10)
  })
})
