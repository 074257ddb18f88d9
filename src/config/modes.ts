import type { JwtSettings } from '../session/jwt.ts'
import type { ModeSettings, SessionMode } from '../session/modes.ts'
import { jwtAlgorithms } from './rules.ts'
import type { Variables } from './variables.ts'

/** The settings of one mode, from the variables that belong to it. */
export function toModeSettings(mode: SessionMode, env: Variables): ModeSettings {
  switch (mode) {
    case 'forward-auth':
      return { mode, url: need(env.SESSION_FORWARD_URL), cookies: env.SESSION_FORWARD_COOKIES }
    case 'jwt':
      return { mode, ...jwtSettings(env) }
    case 'introspection':
      return {
        mode,
        source: env.SESSION_INTROSPECTION_SOURCE,
        endpoint: introspectionEndpoint(env),
        audiences: env.SESSION_INTROSPECTION_AUDIENCE ?? [],
        clientId: need(env.SESSION_INTROSPECTION_CLIENT_ID),
        clientSecrets: need(env.SESSION_INTROSPECTION_CLIENT_SECRET),
      }
    case 'trusted-header':
      return {
        mode,
        header: need(env.SESSION_HEADER),
        peers: need(env.SESSION_HEADER_PEERS),
        proofs: need(env.SESSION_HEADER_PROOF),
      }
    case 'express-session':
      return {
        mode,
        storeUrl: need(env.SESSION_STORE_URL),
        prefix: env.SESSION_STORE_PREFIX,
        cookie: env.SESSION_STORE_COOKIE,
        secrets: need(env.SESSION_SECRET),
      }
  }
}

function jwtSettings(env: Variables): JwtSettings {
  return {
    source: env.SESSION_JWT_SOURCE,
    key: jwtKey(env),
    issuer: env.SESSION_JWT_ISSUER,
    audiences: env.SESSION_JWT_AUDIENCE ?? [],
    authorizedParties: env.SESSION_JWT_AUTHORIZED_PARTY ?? [],
    authorizedPartyOptional: env.SESSION_JWT_AUTHORIZED_PARTY_OPTIONAL,
    algorithms: jwtAlgorithms(env.SESSION_JWT_ALGORITHMS, env.SESSION_JWT_SECRET !== undefined),
  }
}

function introspectionEndpoint({
  SESSION_INTROSPECTION_URL: url,
  SESSION_INTROSPECTION_ISSUER: issuer,
}: Variables) {
  return url === undefined ? { issuer: need(issuer) } : { url }
}

function jwtKey(env: Variables): JwtSettings['key'] {
  if (env.SESSION_JWT_JWKS_URL !== undefined) return { jwksUrl: env.SESSION_JWT_JWKS_URL }
  if (env.SESSION_JWT_PUBLIC_KEY !== undefined) return { publicKeys: env.SESSION_JWT_PUBLIC_KEY }
  if (env.SESSION_JWT_SECRET !== undefined) return { secrets: env.SESSION_JWT_SECRET }
  return { discovery: need(env.SESSION_JWT_ISSUER) }
}

function need<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('the rules did not require a variable that is needed')
  return value
}
