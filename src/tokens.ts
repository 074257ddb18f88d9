import type { AbortSignalLike } from './lib/abort.ts'
import { createCache } from './lib/cache.ts'
import { createSingleFlight } from './lib/single-flight.ts'
import type { Session } from './session/identity.ts'
import type { KeyRing } from './returning-ai/keys.ts'
import type { IssuedToken, TokenIssuer } from './returning-ai/signin.ts'

export interface TokenRequest {
  session: Session
  keys: KeyRing
  /** Wants a token that the vendor mints from now on, whatever is remembered. */
  fresh: boolean
  signal: AbortSignalLike
  /** May refuse the mint by throwing; not called when a token is reused. */
  admit: () => Promise<void> | void
  /** Told of each token minted, once. */
  minted: (token: IssuedToken) => void
}

/** What of a token matters to who gets it. */
export type UsableToken = Pick<IssuedToken, 'token' | 'expiresAt'>

export interface Tokens {
  get(request: TokenRequest): UsableToken | Promise<UsableToken>
}

interface TokensOptions {
  issuer: TokenIssuer
  /** How long a token without expiry is reused; 0 reuses none. */
  cacheMs: number
}

interface Remembered extends UsableToken {
  /** Whose it is: the same credential may come to mean another user. */
  subject: string
  email: string
  /** In whole milliseconds on the monotonic clock. */
  until: number
}

const expiryMarginMs = 30_000
const maxTokens = 50_000
/** In characters: a longer token counts for several. */
const usualLength = 512

/** Reuses a token within its session until shortly before its end, and mints one at a time per session and key. */
export function createTokens({ issuer, cacheMs }: TokensOptions): Tokens {
  const remembered = createCache<Remembered>(maxTokens, ({ token }) => Math.ceil(token.length / usualLength))
  const share = createSingleFlight<UsableToken>()

  async function mint(key: string, request: TokenRequest, signal: AbortSignalLike): Promise<UsableToken> {
    // First, so that what never reaches the vendor costs nobody of their limit.
    issuer.check(request.keys)
    await request.admit()
    signal.throwIfAborted()
    const issued = await issuer.issue(request.session, request.keys, signal)
    request.minted(issued)
    remember(key, request.session, issued)
    return issued
  }

  function remember(key: string, { subject, email }: Session, { token, expiresAt }: UsableToken): void {
    const until =
      expiresAt === undefined ? Math.floor(performance.now()) + cacheMs : expiresAt - expiryMarginMs
    if (cacheMs > 0) remembered.set(key, { subject, email, token, expiresAt, until })
  }

  function recall(key: string, { subject, email }: Session): UsableToken | undefined {
    const known = remembered.get(key)
    if (known === undefined || known.until <= performance.now()) return undefined
    return known.subject === subject && known.email === email ? known : undefined
  }

  return {
    get(request) {
      const { session, keys, fresh, signal } = request
      const key = session.credentialHash + keys.name
      const known = fresh ? undefined : recall(key, session)
      if (known !== undefined) return known
      // Only who asks for the same user shares a mint.
      const flight = `${key} ${session.subject} ${session.email}`
      return share(flight, signal, (shared) => mint(key, request, shared))
    },
  }
}
