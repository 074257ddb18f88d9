import { eventOutcomes, meaningOf, outcomes } from '../../src/outcomes.ts'

/** Whether `docs/problems.md` has this word of the log under this code. */
export function isOutcomeOf(code: string, word: string): boolean {
  return meaningOf(code, word) !== undefined
}

/** Whether it has this word at all. */
export function isOutcome(word: string): boolean {
  const ofEvents = Object.values(eventOutcomes).flatMap((words) => Object.keys(words))
  return ofEvents.includes(word) || Object.keys(outcomes).some((code) => isOutcomeOf(code, word))
}

/** Whether the log refuses a request by a word that `docs/problems.md` does not have under its code. */
export function hasUnknownOutcome({ code, outcome }: Record<string, unknown>): boolean {
  if (typeof code !== 'string' || typeof outcome !== 'string' || outcome === code) return false
  // The caller left before its answer, so the log has the outcome without the code.
  if (code === 'client_closed') return !isOutcome(outcome)
  return !isOutcomeOf(code, outcome)
}
