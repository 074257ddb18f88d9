import { LRUCache } from 'lru-cache'
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

const expiryMarginMs = 30_000
const maxTokens = 50_000
const maxCharacters = 48 * 1024 * 1024

/** Reuses a token within its session until shortly before its end, and mints one at a time per session and key. */
export function createTokens({ issuer, cacheMs }: TokensOptions): Tokens {
  const remembered = new LRUCache<string, IssuedToken>({
    max: maxTokens,
    maxSize: maxCharacters,
    sizeCalculation: ({ token }) => token.length,
  })
  const share = createSingleFlight<IssuedToken>()

  async function mint(key: string, { session, keys, admit, minted }: TokenRequest, signal: AbortSignal) {
    await admit()
    const token = await issuer.issue(session, keys, signal)
    minted(token)
    const lifeMs =
      token.expiresAt === undefined ? cacheMs : token.expiresAt - expiryMarginMs - performance.now()
    if (cacheMs > 0 && lifeMs > 0) remembered.set(key, token, { ttl: Math.ceil(lifeMs) })
    else remembered.delete(key)
    return token
  }

  return {
    get(request) {
      const key = `${request.session.id} ${request.keys.name}`
      const token = request.fresh ? undefined : remembered.get(key)
      if (token !== undefined) return Promise.resolve(token)
      return share(key, request.signal, (signal) => mint(key, request, signal))
    },
  }
}
