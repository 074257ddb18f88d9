import { createSingleFlight } from '../lib/single-flight.ts'
import { createTurns } from '../lib/turns.ts'
import type { Channel } from '../outbound/redis-channel.ts'
import { Problem } from '../problems.ts'
import type { Identify, Session } from './identity.ts'
import { createQuestionLine, type Asker } from './question-line.ts'
import type { Verdicts } from './verdicts.ts'
import type { SessionVerifier } from './verifier.ts'

/** What is asked: a credential of a request, and the verifier for it. */
export interface Case {
  verifier: SessionVerifier
  key: string
  credential: string
  circumstances: string
  /** The trace context of the caller. Not part of the key, because the answer does not depend on it. */
  traceparent?: string
}

export interface Caller {
  signal: AbortSignal
  /** The client's network, which has its share of the open questions. */
  network?: () => string
}

export interface Answer {
  session: Session
  /** The number of the question, by which `Verdicts` knows the later of two answers. */
  askedAs: number
  /** Whether it may be remembered. */
  isCurrent: boolean
  setCookies?: readonly string[]
}

export interface QuestionsOptions {
  /** How long a question may wait until it can be asked. */
  timeoutMs?: number
  /** The 429 for a client network that is over its limit of refusals. */
  excessOf?: (network: string) => Problem | undefined
  /** Counts a question that is asked although an answer may be remembered. Throws 429 over the limit. */
  limitFresh?: (key: string) => unknown
  /** The other replicas. */
  channel?: Channel
}

interface Options extends QuestionsOptions {
  identify: Identify
  verdicts: Verdicts
}

/** Asks the session sources. Callers with the same question share it. */
export function createQuestions(options: Options) {
  const { identify, verdicts, timeoutMs = 5_000, excessOf = () => undefined, limitFresh, channel } = options
  const share = createSingleFlight<Answer>()
  const takeTurns = createTurns<Answer>()
  const line = createQuestionLine(timeoutMs)

  /** Asks, or joins the same question if it is already open. */
  function ask(one: Case, { signal, network }: Caller): Promise<Answer> {
    if (!one.verifier.remote) return askNow(one, { network: '', signal })
    const from = network?.() ?? ''
    return share(one.key + one.circumstances, signal, (shared) =>
      askNow(one, { network: from, signal: shared }),
    )
  }

  /** Asks a fresh question. Never joins an open one, which may be answered for the previous user. */
  function askFresh(one: Case, { signal, network }: Caller): Promise<Answer> {
    if (!one.verifier.remote) return askNow(one, { network: '', signal })
    const from = network?.() ?? ''
    return takeTurns(one.key + one.circumstances, signal, async (shared) => {
      if (limitFresh !== undefined) await limitFresh(one.key)
      try {
        const answer = await askNow(one, { network: from, signal: shared })
        verdicts.overtake(one.key, answer.askedAs - 1)
        await channel?.publish(one.key)
        return answer
      } catch (error) {
        if (isVerdict(error)) await channel?.publish(one.key)
        throw error
      }
    })
  }

  async function askNow(one: Case, asker: Asker): Promise<Answer> {
    const { verifier, credential, circumstances, key, traceparent } = one
    if (verifier.remote) {
      const turn = line.enter({ ...asker, excess: excessOf(asker.network) })
      if (turn !== undefined) await turn
    }
    const askedAs = verdicts.begin(key)
    try {
      const verified = await verifier.verify(credential, asker.signal, circumstances, traceparent)
      const session = identify(verified, verifier.mode, key)
      const { setCookies } = verified
      return { session, setCookies, askedAs, isCurrent: verdicts.isCurrent(key, askedAs) }
    } catch (error) {
      if (isVerdict(error)) verdicts.overtake(key, askedAs)
      throw error
    } finally {
      verdicts.end(key)
      if (verifier.remote) line.leave(asker.network)
    }
  }

  return { ask, askFresh }
}

/** A refusal by the source, not an outage or one of our limits. */
function isVerdict(error: unknown): boolean {
  return error instanceof Problem && error.status < 500 && error.code !== 'rate_limited'
}
