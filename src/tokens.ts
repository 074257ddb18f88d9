import { createCache } from './cache.ts'
import { createSingleFlight } from './single-flight.ts'
import type { Session } from './session/identity.ts'
import type { KeyRing } from './vendor/keys.ts'
import type { IssuedToken, TokenIssuer } from './vendor/signin.ts'

export interface TokenRequest {
  session: Session
  keys: KeyRing
  /** Wants a token that the vendor mints from now on, whatever is remembered. */
  fresh: boolean
  signal: AbortSignal
  /** May refuse the mint by throwing; not called when a token is reused. */
  admit: () => Promise<void> | void
  /** Told of each token minted, once. */
  minted: (token: IssuedToken) => void
}

export interface Tokens {
  get(request: TokenRequest): Promise<IssuedToken>
}

interface TokensOptions {
  issuer: TokenIssuer
  /** How long a token without expiry is reused; 0 reuses none. */
  cacheMs: number
}

interface Remembered {
  issued: IssuedToken
  /** On the monotonic clock. */
  until: number
}

const expiryMarginMs = 30_000
const maxTokens = 50_000
/** In characters: a longer token counts for several. */
const usualLength = 1024

/** Reuses a token within its session until shortly before its end, and mints one at a time per session and key. */
export function createTokens({ issuer, cacheMs }: TokensOptions): Tokens {
  const remembered = createCache<Remembered>(maxTokens, ({ issued }) =>
    Math.ceil(issued.token.length / usualLength),
  )
  const share = createSingleFlight<IssuedToken>()

  async function mint(key: string, { session, keys, admit, minted }: TokenRequest, signal: AbortSignal) {
    await admit()
    signal.throwIfAborted()
    const issued = await issuer.issue(session, keys, signal)
    minted(issued)
    remember(key, issued)
    return issued
  }

  function remember(key: string, issued: IssuedToken): void {
    const now = performance.now()
    const until = issued.expiresAt === undefined ? now + cacheMs : issued.expiresAt - expiryMarginMs
    if (cacheMs > 0) remembered.set(key, { issued, until })
  }

  function recall(key: string): IssuedToken | undefined {
    const known = remembered.get(key)
    return known !== undefined && known.until > performance.now() ? known.issued : undefined
  }

  return {
    get(request) {
      const key = `${request.session.id} ${request.keys.name}`
      const known = request.fresh ? undefined : recall(key)
      if (known !== undefined) return Promise.resolve(known)
      return share(key, request.signal, (signal) => mint(key, request, signal))
    },
  }
}
