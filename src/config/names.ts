import type { Environment, Fault } from './files.ts'

const ownPrefixes = /^(SESSION|WIDGET|RAI)_/
const foreign = /^SESSION_MANAGER$|_SERVICE_HOST$|_SERVICE_PORT(_.*)?$|_PORT(_.*)?$/

/**
 * Names without our prefixes that may be meant for one of ours. They are no error, because other programs may
 * use them.
 */
const nearMisses: Record<string, string> = {
  ALLOWED_ORIGIN: 'ALLOWED_ORIGINS',
  ALLOW_ORIGINS: 'ALLOWED_ORIGINS',
  CORS_ORIGIN: 'ALLOWED_ORIGINS',
  CORS_ORIGINS: 'ALLOWED_ORIGINS',
  TRUSTED_PROXY: 'TRUST_PROXY',
  TRUSTED_PROXIES: 'TRUST_PROXY',
  TRUST_PROXIES: 'TRUST_PROXY',
  PUBLIC_URLS: 'PUBLIC_URL',
  PUBLIC_ORIGIN: 'PUBLIC_URL',
  SUBJECT_SECRET: 'SUBJECT_KEY',
  SUBJECT_KEYS: 'SUBJECT_KEY',
  REDIS_URI: 'REDIS_URL',
  RATE_LIMIT: 'RATE_LIMIT_PER_MINUTE',
  RATE_LIMIT_PER_MIN: 'RATE_LIMIT_PER_MINUTE',
  TOKEN_CACHE: 'TOKEN_CACHE_SECONDS',
  TOKEN_CACHE_MS: 'TOKEN_CACHE_SECONDS',
  VENDOR_TIMEOUT: 'VENDOR_TIMEOUT_MS',
  SHUTDOWN_DELAY: 'SHUTDOWN_DELAY_MS',
  SHUTDOWN_TIMEOUT: 'SHUTDOWN_TIMEOUT_MS',
  ADMIN_PORT: 'ADMIN_LISTEN',
  LOGLEVEL: 'LOG_LEVEL',
}

/** An unknown name with one of our prefixes is a typo, and a typo must not disable a check. */
export function findUnknownNames(env: Environment, known: ReadonlySet<string>): Fault[] {
  return Object.keys(env)
    .filter((name) => ownPrefixes.test(name) && !foreign.test(name) && !known.has(name))
    .map((name) => {
      const nearest = findNearest(name, known)
      return { name, message: `is not a known setting${nearest ? `: did you mean ${nearest}?` : ''}` }
    })
}

/** Names that are probably misspelled settings, for a warning. */
export function findNearMisses(env: Environment): Fault[] {
  return Object.entries(nearMisses)
    .filter(([name, meant]) => (env[name] ?? '') !== '' && (env[meant] ?? '') === '')
    .map(([name, meant]) => ({ name, message: `is not a setting of the broker: did you mean ${meant}?` }))
}

function findNearest(name: string, known: ReadonlySet<string>): string | undefined {
  const limit = Math.max(2, Math.floor(name.length / 5))
  const ranked = [...known]
    .map((candidate) => ({ candidate, distance: distanceOf(name, candidate) }))
    .sort((one, other) => one.distance - other.distance)
  return ranked[0] !== undefined && ranked[0].distance <= limit ? ranked[0].candidate : undefined
}

/** Levenshtein's distance: how many characters to add, drop or replace. */
function distanceOf(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (const [index, letter] of Array.from(one).entries()) {
    const next = [index + 1]
    for (const [at, counterpart] of Array.from(other).entries())
      next.push(Math.min(next[at]! + 1, row[at + 1]! + 1, row[at]! + (letter === counterpart ? 0 : 1)))
    row = next
  }
  return row.at(-1)!
}
