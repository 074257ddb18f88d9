import { jwtAlgorithms, type SessionMode } from './rules.ts'
import type { Variables } from './variables.ts'

/** What each mode's verifier is made of. */
export function toModeConfig(mode: SessionMode, env: Variables) {
  switch (mode) {
    case 'forward-auth':
      return { mode, url: need(env.SESSION_FORWARD_URL) } as const
    case 'jwt':
      return { mode, ...jwtConfig(env) } as const
    case 'introspection':
      return {
        mode,
        source: env.SESSION_INTROSPECTION_SOURCE,
        url: need(env.SESSION_INTROSPECTION_URL),
        clientId: need(env.SESSION_INTROSPECTION_CLIENT_ID),
        clientSecret: need(env.SESSION_INTROSPECTION_CLIENT_SECRET),
      } as const
    case 'trusted-header':
      return {
        mode,
        header: need(env.SESSION_HEADER),
        peers: need(env.SESSION_HEADER_PEERS),
        proof: need(env.SESSION_HEADER_PROOF),
      } as const
    case 'express-session':
      return {
        mode,
        storeUrl: need(env.SESSION_STORE_URL),
        prefix: env.SESSION_STORE_PREFIX,
        cookie: env.SESSION_STORE_COOKIE,
        secrets: need(env.SESSION_SECRET),
      } as const
  }
}

function jwtConfig(env: Variables) {
  return {
    source: env.SESSION_JWT_SOURCE,
    key: jwtKey(env),
    issuer: env.SESSION_JWT_ISSUER,
    audience: env.SESSION_JWT_AUDIENCE,
    authorizedParty: env.SESSION_JWT_AUTHORIZED_PARTY,
    algorithms: jwtAlgorithms(env),
  }
}

function jwtKey(env: Variables) {
  if (env.SESSION_JWT_JWKS_URL !== undefined) return { jwksUrl: env.SESSION_JWT_JWKS_URL }
  if (env.SESSION_JWT_PUBLIC_KEY !== undefined) return { publicKey: env.SESSION_JWT_PUBLIC_KEY }
  return { secret: need(env.SESSION_JWT_SECRET) }
}

function need<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('the rules let a needed variable pass')
  return value
}
