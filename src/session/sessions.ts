import { hash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { parseCookie } from 'cookie'
import { Problem } from '../problems.ts'
import { readTraceparent } from '../telemetry/trace.ts'
import { asSent, sessionMissing } from './credential.ts'
import type { Identify, Session } from './identity.ts'
import { createQuestions, type Answer, type Caller, type Case, type QuestionsOptions } from './questions.ts'
import { createVerdicts } from './verdicts.ts'
import type { SessionVerifier } from './verifier.ts'

export interface Sessions {
  /**
   * The session of the request, from the first verifier whose credential is present. What that one refuses is
   * refused. Throws the `Problem` of the refusal or the outage.
   */
  verify(request: IncomingMessage, question: Question): Promise<Session>
  /** Whether a browser could have attached a session to the request by itself. */
  readsCookieOf(request: IncomingMessage): boolean
}

interface SessionsOptions extends QuestionsOptions {
  observe?: Observe
  /** How many sessions are remembered at least. */
  maxRemembered?: number
}

interface Question extends Caller {
  /**
   * Asks the source even if an answer is remembered: another user may have signed in under the same cookie.
   */
  fresh?: boolean
  /**
   * Throws if the session lacks what the caller needs. Such a session is not remembered, because the user may
   * soon add it.
   */
  require?: (session: Session) => void
  /**
   * Takes the `Set-Cookie` lines by which the source renewed the session that it accepted for this question.
   * Never from memory.
   */
  renew?: (setCookies: readonly string[]) => void
}

/** Receives each verdict: `accepted`, or the code of the refusal. */
type Observe = (mode: string, outcome: string) => void

/**
 * Asks the verifiers in order, and remembers whom they accepted by the hash of the whole credential. A
 * refusal is not remembered: a user may sign in under the same cookie a moment later.
 */
export function createSessions(
  verifiers: readonly SessionVerifier[],
  identify: Identify,
  { observe, maxRemembered, ...options }: SessionsOptions = {},
): Sessions {
  const verdicts = createVerdicts(maxRemembered)
  const questions = createQuestions({ identify, verdicts, ...options })
  options.channel?.listen({
    receive: (key) => verdicts.overtakeAll(key),
    resume: () => verdicts.forgetAll(),
  })

  async function verify(request: IncomingMessage, question: Question): Promise<Session> {
    for (const verifier of verifiers) {
      try {
        const credential = verifier.readCredential(request)
        if (credential === undefined) continue
        const key = hash('sha256', `${verifier.mode} ${verifier.id} ${credential}`, 'base64url')
        const circumstances = verifier.readCircumstances?.(request) ?? ''
        const traceparent = readTraceparent(request.headers)
        const one = { verifier, key, credential, circumstances, traceparent }
        const session = await recallOrAsk(one, question)
        observe?.(verifier.mode, 'accepted')
        return session
      } catch (error) {
        observe?.(verifier.mode, error instanceof Problem ? error.code : 'aborted')
        throw error
      }
    }
    throw sessionMissing()
  }

  async function recallOrAsk(one: Case, question: Question): Promise<Session> {
    const { key, circumstances } = one
    const { fresh = false, require, renew } = question
    const known = fresh ? undefined : verdicts.recall(key, circumstances)
    if (known !== undefined) {
      require?.(known)
      return known
    }
    const answer = await questions[fresh ? 'askFresh' : 'ask'](one, question)
    try {
      require?.(answer.session)
    } catch (error) {
      verdicts.overtake(key, answer.askedAs)
      throw error
    }
    if (answer.setCookies !== undefined) renew?.(answer.setCookies)
    remember(one, answer)
    return answer.session
  }

  function remember({ verifier, key, circumstances }: Case, { session, askedAs, isCurrent }: Answer): void {
    if (verifier.rememberMs === 0 || !isCurrent) return
    const until = Math.min(Math.floor(performance.now()) + verifier.rememberMs, session.expiresAt ?? Infinity)
    verdicts.remember(key, circumstances, { session, askedAs, until })
  }

  return { verify, readsCookieOf: (request) => verifiers.some((verifier) => readsCookie(verifier, request)) }
}

function readsCookie({ cookies }: SessionVerifier, request: IncomingMessage): boolean {
  const header = request.headers.cookie
  if (header === undefined) return false
  if (cookies === 'all') return true
  const present = parseCookie(header, asSent)
  return cookies.some((name) => present[name] !== undefined)
}
