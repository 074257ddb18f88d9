import { hash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { parseCookie } from 'cookie'
import { createCache } from '../lib/cache.ts'
import { Problem } from '../problems.ts'
import { createSingleFlight } from '../lib/single-flight.ts'
import { asSent, sessionMissing } from './credential.ts'
import type { VerifiedClaims } from './claims.ts'
import type { Identify, Session } from './identity.ts'
import { createQuestionLine, type Asker } from './question-line.ts'

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
  verify(credential: string, signal: AbortSignal): Promise<VerifiedClaims>
  /** Gives back a connection that the verifier keeps. */
  close?(): void
}

export interface Sessions {
  /**
   * The session of the request, from the first verifier whose credential is present. What that one refuses is refused.
   * Throws the `Problem` of the refusal or the outage.
   */
  verify(request: IncomingMessage, question: Question): Promise<Session>
  /** Whether a browser could have attached a session to the request by itself. */
  readsCookieOf(request: IncomingMessage): boolean
}

interface SessionsOptions {
  observe?: Observe
  /** How long a question may wait until it can be asked. */
  timeoutMs?: number
  /** The 429 for a client network that is over its limit of refusals. */
  excessOf?: (network: string) => Problem | undefined
}

interface Question {
  signal: AbortSignal
  /** The client's network, which has its share of the open questions. */
  network?: () => string
  /** Asks the source even if an answer is remembered: another user may have signed in under the same cookie. */
  fresh?: boolean
  /** Throws where the session lacks what the caller needs of it. Such a session is not remembered: the user may soon add it. */
  require?: (session: Session) => void
  /** Takes the `Set-Cookie` lines by which the source renewed the session that it accepted for this question. Never from memory. */
  renew?: (setCookies: readonly string[]) => void
}

/** Told of each verdict: `accepted`, or the code of the refusal. */
type Observe = (mode: string, outcome: string) => void

interface Answer {
  session: Session
  /** The number of the question that it answers: a later one knows better. */
  askedAs: number
  setCookies?: readonly string[]
}

interface Verdict extends Omit<Answer, 'setCookies'> {
  until: number
}

const maxRemembered = 50_000

/**
 * Asks the verifiers in order, and remembers whom they accepted by the hash of the whole credential. A refusal is not remembered:
 * the same cookie may be signed in a moment later.
 */
export function createSessions(
  verifiers: readonly SessionVerifier[],
  identify: Identify,
  { observe, timeoutMs = 5_000, excessOf = () => undefined }: SessionsOptions = {},
): Sessions {
  const verdicts = createCache<Verdict>(maxRemembered)
  const share = createSingleFlight<Answer>()
  let questions = 0
  const line = createQuestionLine(timeoutMs)

  async function verify(request: IncomingMessage, question: Question): Promise<Session> {
    for (const verifier of verifiers) {
      try {
        const credential = verifier.readCredential(request)
        if (credential === undefined) continue
        const session = await recallOrAsk(verifier, credential, question)
        observe?.(verifier.mode, 'accepted')
        return session
      } catch (error) {
        observe?.(verifier.mode, error instanceof Problem ? error.code : 'aborted')
        throw error
      }
    }
    throw sessionMissing()
  }

  async function recallOrAsk(verifier: SessionVerifier, credential: string, question: Question) {
    const { signal, fresh = false, require, renew } = question
    const key = hash('sha256', `${verifier.mode} ${verifier.id} ${credential}`, 'base64url')
    const known = fresh ? undefined : verdicts.get(key)
    if (known !== undefined && known.until > performance.now()) {
      require?.(known.session)
      return known.session
    }
    const network = verifier.remote ? (question.network?.() ?? '') : ''
    // A question that is already open may have been answered for the previous user.
    const answer =
      !verifier.remote || fresh
        ? await ask(verifier, credential, key, { network, signal })
        : await share(key, signal, (shared) => ask(verifier, credential, key, { network, signal: shared }))
    try {
      require?.(answer.session)
    } catch (error) {
      forget(key)
      throw error
    }
    if (answer.setCookies !== undefined) renew?.(answer.setCookies)
    remember(key, answer, verifier.rememberMs)
    return answer.session
  }

  async function ask(verifier: SessionVerifier, credential: string, key: string, asker: Asker) {
    if (verifier.remote) {
      const turn = line.enter({ ...asker, excess: excessOf(asker.network) })
      if (turn !== undefined) await turn
    }
    const askedAs = (questions += 1)
    try {
      const verified = await verifier.verify(credential, asker.signal)
      return { session: identify(verified, verifier.mode, key), setCookies: verified.setCookies, askedAs }
    } catch (error) {
      if (error instanceof Problem && error.status < 500) forget(key)
      throw error
    } finally {
      if (verifier.remote) line.leave(asker.network)
    }
  }

  function forget(key: string): void {
    const known = verdicts.get(key)
    if (known !== undefined) known.until = 0
  }

  function remember(key: string, { session, askedAs }: Answer, forMs: number): void {
    if (forMs === 0 || (verdicts.get(key)?.askedAs ?? 0) > askedAs) return
    const until = Math.min(Math.floor(performance.now()) + forMs, session.expiresAt ?? Infinity)
    verdicts.set(key, { session, until, askedAs })
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
