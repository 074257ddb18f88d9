import { hash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { parseCookie } from 'cookie'
import type { AbortSignalLike } from '../abort.ts'
import { createCache } from '../cache.ts'
import { Problem } from '../problems.ts'
import { createSingleFlight } from '../single-flight.ts'
import { sessionMissing } from './credential.ts'
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
}

const maxRemembered = 50_000

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

  async function verify(request: IncomingMessage, signal: AbortSignalLike, fresh = false): Promise<Session> {
    for (const verifier of verifiers) {
      const credential = verifier.readCredential(request)
      if (credential === undefined) continue
      try {
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
    if (!verifier.remote) return ask(verifier, credential, key, signal)
    return share(key, signal, (shared) => ask(verifier, credential, key, shared))
  }

  async function ask(verifier: SessionVerifier, credential: string, key: string, signal: AbortSignalLike) {
    try {
      const session = identify(await verifier.verify(credential, signal), verifier.mode, key)
      remember(key, session, verifier.rememberMs)
      return session
    } catch (error) {
      const accepted = verdicts.get(key)
      if (accepted !== undefined && error instanceof Problem && error.status < 500) accepted.until = 0
      throw error
    }
  }

  function remember(key: string, session: Session, forMs: number): void {
    const until = Math.min(Math.floor(performance.now()) + forMs, session.expiresAt ?? Infinity)
    if (forMs > 0) verdicts.set(key, { session, until })
  }

  return { verify, readsCookieOf: (request) => verifiers.some((verifier) => readsCookie(verifier, request)) }
}

function readsCookie({ cookies }: SessionVerifier, request: IncomingMessage): boolean {
  const header = request.headers.cookie
  if (header === undefined) return false
  if (cookies === 'all') return true
  const present = parseCookie(header)
  return cookies.some((name) => present[name] !== undefined)
}
