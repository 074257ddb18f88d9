import type { MintLimit } from './http/rate-limit.ts'
import { createCache } from './lib/cache.ts'
import { createSingleFlight } from './lib/single-flight.ts'
import type { IssuedToken, TokenIssuer } from './returning-ai/issuer.ts'
import type { Session } from './session/identity.ts'
import type { Logger } from './telemetry/logger.ts'
import type { Metrics } from './telemetry/metrics.ts'

export interface TokenRequest {
  session: Session
  issuer: TokenIssuer
  signal: AbortSignal
  /** What the audit line says of the request. */
  audit: { requestId: string; origin?: string }
}

/** A token for its user. `expiresAt` is in milliseconds on the monotonic clock, absent when unknown. */
export interface UserToken extends Pick<IssuedToken, 'token' | 'expiresAt'> {
  /** The `RateLimit` fields of a mint; a reused token costs nothing. */
  rateLimit?: Record<Lowercase<string>, string>
}

export interface Tokens {
  /** Reuses a token of this session until shortly before its end, else mints one. `fresh` always mints. */
  get(request: TokenRequest, fresh: boolean): UserToken | Promise<UserToken>
  /** Mints a token for this request alone, and keeps none. */
  mint(request: TokenRequest): Promise<UserToken>
}

interface TokensOptions {
  limit: MintLimit
  logger: Logger
  metrics?: Metrics
  /** How long a token without expiry is reused; 0 reuses none. */
  cacheMs: number
  /** At least this many tokens of usual length are remembered. */
  maxTokens?: number
}

type MintedToken = UserToken & Pick<IssuedToken, 'keyId'>

interface Remembered extends MintedToken {
  /**
   * The token's user, as named in the log and at the vendor. The same credential may later belong to another
   * user.
   */
  subject: string
  account: string
  /** In whole milliseconds on the monotonic clock. */
  until: number
}

const expiryMarginMs = 30_000
/** In characters: a longer token counts for several. */
const usualLength = 512

/**
 * Hands out vendor tokens: minted within each user's limit, one at a time per session and issuer, and
 * audited.
 */
export function createTokens({ limit, logger, metrics, cacheMs, maxTokens = 50_000 }: TokensOptions): Tokens {
  const remembered = createCache<Remembered>(maxTokens, ({ token }) => Math.ceil(token.length / usualLength))
  const share = createSingleFlight<UserToken>()

  async function mint(request: TokenRequest): Promise<MintedToken> {
    const { session, issuer, signal } = request
    // Before the limit: a request that never reaches the vendor must not use it up.
    issuer.check(session)
    const rateLimit = await limit(issuer.door, session.subject)
    signal.throwIfAborted()
    const issued = await issuer.issue(session, signal)
    metrics?.tokenIssued(issuer.door, 'vendor')
    audit(request, issued)
    return { token: issued.token, expiresAt: issued.expiresAt, keyId: issued.keyId, rateLimit }
  }

  function audit({ session, issuer, audit }: TokenRequest, { vendorMs, attempts, keyId }: IssuedToken): void {
    const { subject, mode: sessionMode } = session
    const { door } = issuer
    logger.info({ event: 'token_issued', ...audit, door, subject, sessionMode, vendorMs, attempts, keyId })
  }

  async function mintAndRemember(key: string, account: string, request: TokenRequest): Promise<UserToken> {
    const minted = await mint(request)
    const { token, expiresAt, keyId } = minted
    const until =
      expiresAt === undefined ? Math.floor(performance.now()) + cacheMs : expiresAt - expiryMarginMs
    if (cacheMs > 0)
      remembered.set(key, { subject: request.session.subject, account, token, expiresAt, keyId, until })
    return minted
  }

  function recall(key: string, { session: { subject }, issuer }: TokenRequest, account: string) {
    const known = remembered.get(key)
    if (known === undefined || known.until <= performance.now()) return undefined
    // A key may have been withdrawn because of the tokens that it minted.
    if (!issuer.hasKey(known.keyId)) return undefined
    return known.subject === subject && known.account === account ? known : undefined
  }

  return {
    mint,
    get(request, fresh) {
      const { session, issuer, signal } = request
      const key = session.credentialHash + issuer.name
      const account = issuer.userOf(session)
      const known = fresh ? undefined : recall(key, request, account)
      if (known !== undefined) {
        metrics?.tokenIssued(issuer.door, 'reused')
        return known
      }
      let joined = true
      // Only requests for the same user share a mint.
      const flight = share(`${key} ${session.subject} ${account}`, signal, (shared) => {
        joined = false
        return mintAndRemember(key, account, { ...request, signal: shared })
      })
      return joined ? flight.then((token) => countReused(issuer, token)) : flight
    },
  }

  function countReused({ door }: TokenIssuer, token: UserToken): UserToken {
    metrics?.tokenIssued(door, 'reused')
    return token
  }
}
