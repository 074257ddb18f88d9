import { CircuitState } from 'cockatiel'
import { beforeEach, describe, expect, it } from 'vitest'
import { createFailureWindow } from '../../src/returning-ai/failure-window.ts'
import { createRetryBudget } from '../../src/returning-ai/retry.ts'

let nowMs: number
const now = () => nowMs
beforeEach(() => {
  nowMs = 1_000
})

/** So many failures in a row, and whether the last opens the circuit. */
function fail(times: number, breaker = createFailureWindow(now)) {
  let opens = false
  for (let nth = 0; nth < times; nth += 1) opens = breaker.failure(CircuitState.Closed)
  return { breaker, opens }
}

/** How many retries there are until the budget is spent. */
function spend(budget = createRetryBudget(now)) {
  let spent = 0
  while (budget.spend()) spent += 1
  return { budget, spent }
}

describe('the window of failures', () => {
  it('opens at the twentieth call, when half of them failed', () => {
    const breaker = createFailureWindow(now)
    for (let nth = 0; nth < 10; nth += 1) breaker.success(CircuitState.Closed)
    expect(fail(9, breaker).opens).toBe(false)
    expect(fail(1, breaker).opens).toBe(true)
  })

  it('stays closed while fewer than half failed', () => {
    const breaker = createFailureWindow(now)
    for (let nth = 0; nth < 20; nth += 1) breaker.success(CircuitState.Closed)
    expect(fail(19, breaker).opens).toBe(false)
  })

  it('counts what was six seconds ago, and not what was eleven seconds ago', () => {
    for (const [agoMs, opens] of [
      [6_000, true],
      [11_000, false],
    ] as const) {
      const { breaker } = fail(15)
      nowMs += agoMs
      expect(fail(5, breaker).opens).toBe(opens)
    }
  })

  it('begins anew when the vendor is back', () => {
    const { breaker } = fail(19)
    breaker.success(CircuitState.HalfOpen)
    expect(fail(1, breaker).opens).toBe(false)
  })
})

describe('the budget of retries', () => {
  it('is ten at first', () => expect(spend().spent).toBe(10))

  it('grows by one for five calls', () => {
    const { budget } = spend()
    for (let nth = 0; nth < 4; nth += 1) budget.earn()
    expect(budget.spend()).toBe(false)
    budget.earn()
    expect(spend(budget).spent).toBe(1)
  })

  it('grows by one a second besides, and to ten at most', () => {
    const { budget } = spend()
    nowMs += 1_000
    budget.earn()
    expect(spend(budget).spent).toBe(1)
    nowMs += 3_600_000
    budget.earn()
    expect(spend(budget).spent).toBe(10)
  })
})
