interface TokenBucketOptions {
  capacity: number
  refillMs: number
  /** Milliseconds on a monotonic clock. */
  now: () => number
}

/**
 * Starts full and gains one token every `refillMs`. Taking one returns 0, or the milliseconds until there is
 * one to take.
 */
export function createTokenBucket({ capacity, refillMs, now }: TokenBucketOptions): () => number {
  let tokens = capacity
  let since = now()
  return function take() {
    const gained = Math.floor((now() - since) / refillMs)
    tokens = Math.min(capacity, tokens + gained)
    since = tokens === capacity ? now() : since + gained * refillMs
    if (tokens === 0) return since + refillMs - now()
    tokens -= 1
    return 0
  }
}
