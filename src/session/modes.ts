import type { HttpClient } from '../outbound/client.ts'
import type { SessionVerifier } from './sessions.ts'
import { createExpressSessionVerifier, type ExpressSessionSettings } from './express-session.ts'
import { createForwardAuthVerifier, type ForwardAuthSettings } from './forward-auth.ts'
import { createIntrospectionVerifier, type IntrospectionSettings } from './introspection.ts'
import { createJwtVerifier, type JwtSettings } from './jwt.ts'
import { createTrustedHeaderVerifier, type TrustedHeaderSettings } from './trusted-header.ts'

/** What each value of `SESSION_MODE` is configured by. */
export type ModeSettings =
  | ({ mode: 'forward-auth' } & ForwardAuthSettings)
  | ({ mode: 'jwt' } & JwtSettings)
  | ({ mode: 'introspection' } & IntrospectionSettings)
  | ({ mode: 'trusted-header' } & TrustedHeaderSettings)
  | ({ mode: 'express-session' } & ExpressSessionSettings)

export type SessionMode = ModeSettings['mode']

interface Shared {
  client: HttpClient
  timeoutMs: number
  rememberMs: number
  identity: { emailClaim: string }
}

/** Makes the verifier of a configured mode. A further mode is one more file and one more line here. */
export function createVerifier(settings: ModeSettings, { identity, ...shared }: Shared): SessionVerifier {
  switch (settings.mode) {
    case 'forward-auth':
      return createForwardAuthVerifier({ ...settings, ...shared })
    case 'jwt':
      return createJwtVerifier({ ...settings, ...shared })
    case 'introspection':
      return createIntrospectionVerifier({ ...settings, ...shared })
    case 'trusted-header':
      return createTrustedHeaderVerifier({ ...settings, emailClaim: identity.emailClaim })
    case 'express-session':
      return createExpressSessionVerifier({ ...settings, ...shared })
  }
}
