import { hash } from 'node:crypto'
import { createCache } from '../lib/cache.ts'
import type { Session } from './identity.ts'

/** What a question contained besides the credential. Its answer is valid only for the same. */
type Circumstances = string

interface Verdict {
  session: Session
  /** As a hash, because it is shorter. */
  circumstances: string
  askedAs: number
  until: number
  /**
   * An earlier one of this credential under other circumstances. A list would be one more object for each
   * session.
   */
  next?: Verdict
}

interface OpenQuestions {
  count: number
  /** The latest question that was refused, or asked again by this or another replica. */
  overtakenBy: number
}

export type Verdicts = ReturnType<typeof createVerdicts>

/**
 * Remembers the accepted sessions by the hash of the credential. Questions are numbered in the order in which
 * they are asked: the answer to an earlier one never counts after the answer to a later one, since the user
 * may have signed out or changed in between.
 */
export function createVerdicts(maxRemembered = 50_000) {
  const verdicts = createCache<Verdict>(maxRemembered)
  const open = new Map<string, OpenQuestions>()
  let questions = 0
  let forgottenUpTo = 0

  function overtake(key: string, by: number): void {
    for (let known = verdicts.get(key); known !== undefined; known = known.next)
      if (known.askedAs <= by) known.until = 0
    const others = open.get(key)
    if (others !== undefined) others.overtakenBy = Math.max(others.overtakenBy, by)
  }

  return {
    recall(key: string, circumstances: Circumstances): Session | undefined {
      const known = find(verdicts.get(key), circumstances)
      if (known === undefined || known.until <= performance.now()) return undefined
      return known.askedAs > forgottenUpTo ? known.session : undefined
    },

    /** The number of a question that is asked now. Each needs its `end`. */
    begin(key: string): number {
      const others = open.get(key)
      if (others === undefined) open.set(key, { count: 1, overtakenBy: 0 })
      else others.count += 1
      return (questions += 1)
    },

    /** Whether the answer to a question that is still open may be remembered. */
    isCurrent: (key: string, askedAs: number): boolean => open.get(key)!.overtakenBy < askedAs,

    end(key: string): void {
      const questions = open.get(key)!
      questions.count -= 1
      if (questions.count === 0) open.delete(key)
    },

    remember(key: string, circumstances: Circumstances, verdict: Omit<Verdict, 'circumstances'>): void {
      const known = verdicts.get(key)
      if ((find(known, circumstances)?.askedAs ?? 0) > verdict.askedAs) return
      const name = digest(circumstances)
      const { session, askedAs, until } = verdict
      // Not a spread, which costs V8 40 more bytes for each session.
      verdicts.set(key, { session, askedAs, until, circumstances: name, next: keepOthers(known, name) })
    },

    /** Invalidates the answers to this question about a credential and to earlier ones. */
    overtake,

    /** The same for all questions that have been asked about this credential. */
    overtakeAll: (key: string): void => overtake(key, questions),

    /** The same for all credentials. */
    forgetAll(): void {
      forgottenUpTo = questions
    },
  }
}

function find(known: Verdict | undefined, circumstances: Circumstances): Verdict | undefined {
  if (known === undefined) return undefined
  const name = digest(circumstances)
  let found: Verdict | undefined = known
  while (found !== undefined && found.circumstances !== name) found = found.next
  return found
}

/** One browser may come from several addresses, but one credential must not fill the memory. */
const maxPerCredential = 4

function keepOthers(
  known: Verdict | undefined,
  name: string,
  room = maxPerCredential - 1,
): Verdict | undefined {
  if (known === undefined || room === 0) return undefined
  if (known.circumstances === name || known.until <= performance.now())
    return keepOthers(known.next, name, room)
  known.next = keepOthers(known.next, name, room - 1)
  return known
}

function digest(circumstances: Circumstances): string {
  return circumstances === '' ? '' : hash('sha256', circumstances, 'base64url')
}
