import type { Config } from '../config.ts'
import type { HttpClient } from '../http/client.ts'
import type { SessionVerifier } from './chain.ts'
import { createExpressSessionVerifier } from './express-session.ts'
import { createForwardAuthVerifier } from './forward-auth.ts'
import { createIntrospectionVerifier } from './introspection.ts'
import { createJwtVerifier } from './jwt.ts'
import { createTrustedHeaderVerifier } from './trusted-header.ts'

type ModeConfig = Config['sessions']['modes'][number]

interface Shared {
  client: HttpClient
  timeoutMs: number
  rememberMs: number
  identity: { emailClaim: string }
}

/** Makes the verifier of a configured mode. A further mode is one more file and one more line here. */
export function createVerifier(config: ModeConfig, { identity, ...shared }: Shared): SessionVerifier {
  switch (config.mode) {
    case 'forward-auth':
      return createForwardAuthVerifier({ ...config, ...shared })
    case 'jwt':
      return createJwtVerifier({ ...config, ...shared })
    case 'introspection':
      return createIntrospectionVerifier({ ...config, ...shared })
    case 'trusted-header':
      return createTrustedHeaderVerifier({ ...config, emailClaim: identity.emailClaim })
    case 'express-session':
      return createExpressSessionVerifier({ ...config, ...shared })
  }
}
