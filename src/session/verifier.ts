import type { IncomingMessage } from 'node:http'
import type { VerifiedClaims } from './claims.ts'

/**
 * One way to verify a session. Each mode of `SESSION_MODE` is one of these, and nothing else depends on the
 * mode.
 */
export interface SessionVerifier {
  mode: string
  /** Names the source and everything that decides its answer (issuer, address, audience …). */
  id: string
  /** How long an answer may be reused, in milliseconds. 0 asks the source each time. */
  rememberMs: number
  /** Whether it asks over the network. Requests with the same question then share it. */
  remote: boolean
  /** The cookies that it reads, or all of them. */
  cookies: readonly string[] | 'all'
  /** The request's credential of this kind, or undefined. Throws `bad_request` for two different ones. */
  readCredential(request: IncomingMessage): string | undefined
  /**
   * What else of the request is part of a question, because the answer to the same credential may depend on
   * it.
   */
  readCircumstances?(request: IncomingMessage): string
  /** Throws `session_invalid` for a refused credential, `session_source_unavailable` for an outage. */
  verify(
    credential: string,
    signal: AbortSignal,
    circumstances?: string,
    traceparent?: string,
  ): Promise<VerifiedClaims>
  /** Gives back a connection that the verifier keeps. */
  close?(): void
}
