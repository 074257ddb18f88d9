import type { HttpClient } from '../outbound/client.ts'
import type { Logger } from '../telemetry/logger.ts'
import { isHeaderClaim } from './claims.ts'
import type { ClaimNames } from './identity.ts'
import { createExpressSessionVerifier, type ExpressSessionSettings } from './express-session.ts'
import { createForwardAuthVerifier, type ForwardAuthSettings } from './forward-auth.ts'
import { createIntrospectionVerifier, type IntrospectionSettings } from './introspection.ts'
import { createJwtVerifier, type JwtSettings } from './jwt.ts'
import { createTrustedHeaderVerifier, type TrustedHeaderSettings } from './trusted-header.ts'
import type { SessionVerifier } from './verifier.ts'

/** What each value of `SESSION_MODE` is configured by. */
export type ModeSettings =
  | ({ mode: 'forward-auth' } & ForwardAuthSettings)
  | ({ mode: 'jwt' } & JwtSettings)
  | ({ mode: 'introspection' } & IntrospectionSettings)
  | ({ mode: 'trusted-header' } & TrustedHeaderSettings)
  | ({ mode: 'express-session' } & ExpressSessionSettings)

export type SessionMode = ModeSettings['mode']

export interface Shared {
  client: HttpClient
  timeoutMs: number
  rememberMs: number
  identity: ClaimNames
  publicUrls: readonly URL[]
  logger: Logger
  httpHosts: readonly string[]
}

/** Makes the verifier of a configured mode. A further mode is one more file and one more line here. */
export function createVerifier(settings: ModeSettings, shared: Shared): SessionVerifier {
  switch (settings.mode) {
    case 'forward-auth':
      return createForwardAuthVerifier({ ...settings, ...shared })
    case 'jwt':
      return createJwtVerifier({ ...settings, ...shared })
    case 'introspection':
      return createIntrospectionVerifier({ ...settings, ...shared })
    case 'trusted-header':
      return createTrustedHeaderVerifier({ ...settings, emailClaim: firstClaim(shared.identity) })
    case 'express-session':
      return createExpressSessionVerifier({ ...settings, ...shared })
  }
}

/** The claim under which a bare header value counts. The rules make sure that there is one. */
function firstClaim({ emailClaims }: ClaimNames): string {
  return emailClaims.find((name) => !isHeaderClaim(name)) ?? 'email'
}
