import { hash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { parseCookie } from 'cookie'
import type { AbortSignalLike } from '../lib/abort.ts'
import { createCache } from '../lib/cache.ts'
import { Problem } from '../problems.ts'
import { createSingleFlight } from '../lib/single-flight.ts'
import { asSent, sessionMissing } from './credential.ts'
import type { Identify, Session, VerifiedClaims } from './identity.ts'

/** One way to know a session: each mode of `SESSION_MODE` is one of these, and nothing else knows the mode. */
export interface SessionVerifier {
  mode: string
  /** Names the source and everything that decides its answer (issuer, address, audience …). */
  id: string
  /** How long an answer may be reused, in milliseconds; 0 asks the source each time. */
  rememberMs: number
  /** Whether it asks over the network: then those who ask the same share one question. */
  remote: boolean
  /** The cookies that it reads, or all of them. */
  cookies: readonly string[] | 'all'
  /** The credential of this kind that the request carries; undefined: none. Throws `bad_request` for two different. */
  readCredential(request: IncomingMessage): string | undefined
  /** Throws `session_invalid` for a refused credential, `session_source_unavailable` for an outage. */
  verify(credential: string, signal: AbortSignalLike): Promise<VerifiedClaims>
  /** Gives back a connection that the verifier keeps. */
  close?(): void
}

export interface Sessions {
  /**
   * The session of the request, from the first verifier whose credential is present: what that one refuses is refused.
   * `fresh` asks the source whatever is remembered, since another user may have signed in under the same cookie.
   */
  verify(request: IncomingMessage, signal: AbortSignalLike, fresh?: boolean): Promise<Session>
  /** Whether a browser could have attached a session to the request by itself. */
  readsCookieOf(request: IncomingMessage): boolean
}

/** Told of each verdict: `accepted`, or the code of the refusal. */
type Observe = (mode: string, outcome: string) => void

interface Verdict {
  session: Session
  until: number
  /** Which question it answers: a later one knows better. */
  question: number
}

const maxRemembered = 50_000
/** Open at once to session sources: a hanging one must not fill the memory. */
const maxQuestions = 1_024

/**
 * Asks the verifiers in order, and remembers whom they accepted by the hash of the whole credential. A refusal is not remembered:
 * the same cookie may be signed in a moment later.
 */
export function createSessions(
  verifiers: readonly SessionVerifier[],
  identify: Identify,
  observe?: Observe,
): Sessions {
  const verdicts = createCache<Verdict>(maxRemembered)
  const share = createSingleFlight<Session>()
  let questions = 0
  let asking = 0

  async function verify(request: IncomingMessage, signal: AbortSignalLike, fresh = false): Promise<Session> {
    for (const verifier of verifiers) {
      try {
        const credential = verifier.readCredential(request)
        if (credential === undefined) continue
        const session = await recallOrAsk(verifier, credential, signal, fresh)
        observe?.(verifier.mode, 'accepted')
        return session
      } catch (error) {
        observe?.(verifier.mode, error instanceof Problem ? error.code : 'aborted')
        throw error
      }
    }
    throw sessionMissing()
  }

  function recallOrAsk(
    verifier: SessionVerifier,
    credential: string,
    signal: AbortSignalLike,
    fresh: boolean,
  ) {
    const key = hash('sha256', `${verifier.mode} ${verifier.id} ${credential}`, 'base64url')
    const verdict = fresh ? undefined : verdicts.get(key)
    if (verdict !== undefined && verdict.until > performance.now()) return verdict.session
    // A question that is open already may have been answered for the user before.
    if (!verifier.remote || fresh) return ask(verifier, credential, key, signal)
    return share(key, signal, (shared) => ask(verifier, credential, key, shared))
  }

  async function ask(verifier: SessionVerifier, credential: string, key: string, signal: AbortSignalLike) {
    if (verifier.remote && asking >= maxQuestions) throw tooManyQuestions()
    const question = (questions += 1)
    asking += 1
    try {
      const session = identify(await verifier.verify(credential, signal), verifier.mode, key)
      remember(key, session, verifier.rememberMs, question)
      return session
    } catch (error) {
      const accepted = verdicts.get(key)
      if (accepted !== undefined && error instanceof Problem && error.status < 500) accepted.until = 0
      throw error
    } finally {
      asking -= 1
    }
  }

  function remember(key: string, session: Session, forMs: number, question: number): void {
    if (forMs === 0 || (verdicts.get(key)?.question ?? 0) > question) return
    const until = Math.min(Math.floor(performance.now()) + forMs, session.expiresAt ?? Infinity)
    verdicts.set(key, { session, until, question })
  }

  return { verify, readsCookieOf: (request) => verifiers.some((verifier) => readsCookie(verifier, request)) }
}

function tooManyQuestions(): Problem {
  return new Problem('overloaded', { diagnosis: { outcome: 'too_many_questions' } })
}

function readsCookie({ cookies }: SessionVerifier, request: IncomingMessage): boolean {
  const header = request.headers.cookie
  if (header === undefined) return false
  if (cookies === 'all') return true
  const present = parseCookie(header, asSent)
  return cookies.some((name) => present[name] !== undefined)
}
