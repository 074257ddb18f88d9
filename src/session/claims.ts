import { isRecord } from '../lib/json.ts'

export type Claims = Record<string, unknown>

/** What a session source vouches for. `expiresAt` is in milliseconds on the monotonic clock. */
export interface VerifiedClaims {
  claims: Claims
  /** By lower-case name, if the source answers with headers. */
  headers?: Readonly<Record<string, unknown>>
  issuer?: string
  expiresAt?: number
  /** The `Set-Cookie` lines with which the source renewed the session. */
  setCookies?: readonly string[]
}

/** A claim that is present. */
export interface FoundClaim {
  value: unknown
  /** Its own name and its parent, since a sibling claim may qualify it. */
  key: string
  holder: unknown
}

const headerPrefix = 'header:'

/** Whether a claim is a header of a forward-auth answer. */
export const isHeaderClaim = (name: string) => name.startsWith(headerPrefix)

/** The lower-case name of that header. */
export const headerOfClaim = (name: string) => name.slice(headerPrefix.length).toLowerCase()

/** The first of these claims that is present; null counts as absent. */
export function findClaim(verified: VerifiedClaims, names: readonly string[]): FoundClaim | undefined {
  for (const name of names) {
    const found = isHeaderClaim(name) ? findHeader(verified, name) : findProperty(verified.claims, name)
    if (found.value !== undefined && found.value !== null) return found
  }
  return undefined
}

function findHeader({ headers = {} }: VerifiedClaims, name: string): FoundClaim {
  const key = headerOfClaim(name)
  return { holder: headers, key, value: readOwn(headers, key) }
}

/**
 * An own property of exactly this name (Auth0's are URLs), else a dotted path of own properties and list
 * indices.
 */
function findProperty(claims: Claims, name: string): FoundClaim {
  const value = readOwn(claims, name)
  if (value !== undefined) return { holder: claims, key: name, value }
  const path = name.split('.')
  const key = path.pop() ?? name
  let holder: unknown = claims
  for (const step of path) holder = readOwn(holder, step)
  return { holder, key, value: readOwn(holder, key) }
}

/** Never a prototype's property: `constructor` and `length` are not claims. */
export function readOwn(holder: unknown, key: string): unknown {
  if (Array.isArray(holder)) return /^(0|[1-9]\d{0,5})$/.test(key) ? holder[Number(key)] : undefined
  return isRecord(holder) && Object.hasOwn(holder, key) ? holder[key] : undefined
}
