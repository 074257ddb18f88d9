import { isDeepStrictEqual } from 'node:util'
import { createVerifier, type ModeSettings, type Shared } from './modes.ts'
import type { SessionVerifier } from './verifier.ts'

/** A verifier whose secrets can be replaced while it serves. */
export interface RotatingVerifier extends SessionVerifier {
  replace(settings: ModeSettings): void
}

/**
 * Replaces the verifier when its settings change. Its `id` then changes too, so that no verdict of the old
 * one is reused. Open questions finish with the verifier that they began with.
 */
export function createRotatingVerifier(initial: ModeSettings, shared: Shared): RotatingVerifier {
  let settings = initial
  let current = createVerifier(settings, shared)
  const retired = new Set<SessionVerifier>()

  function replace(changed: ModeSettings): void {
    if (isDeepStrictEqual(changed, settings)) return
    settings = changed
    retire(current)
    current = createVerifier(settings, shared)
  }

  function retire(verifier: SessionVerifier): void {
    retired.add(verifier)
    setTimeout(() => end(verifier), shared.timeoutMs).unref()
  }

  function end(verifier: SessionVerifier): void {
    if (retired.delete(verifier)) verifier.close?.()
  }

  return {
    mode: current.mode,
    rememberMs: current.rememberMs,
    remote: current.remote,
    cookies: current.cookies,
    get id() {
      return current.id
    },
    readCredential: (request) => current.readCredential(request),
    readCircumstances: current.readCircumstances && ((request) => current.readCircumstances!(request)),
    verify: (...question) => current.verify(...question),
    replace,
    close() {
      for (const verifier of retired) end(verifier)
      current.close?.()
    },
  }
}
