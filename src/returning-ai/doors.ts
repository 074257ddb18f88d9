import type { Config } from '../config/config.ts'
import type { HttpClient } from '../outbound/client.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { createEmbedTokenIssuer } from './embed-token.ts'
import type { TokenIssuer } from './issuer.ts'
import { createKeyRings } from './keys.ts'
import { createSignin, type FindIssuer } from './signin.ts'
import { createVendorTransport } from './transport.ts'

/** The doors of the vendor that are configured. */
export interface Doors {
  signin?: FindIssuer
  accessKey?: TokenIssuer
  /** The issuers of each door, one for each key ring. */
  issuers(): Map<TokenIssuer['door'], TokenIssuer[]>
  /** Takes the secrets of another configuration with the same doors. */
  replace(config: Pick<Config, 'signin' | 'accessKey'>): void
}

interface DoorsOptions {
  client: HttpClient
  logger: Logger
  metrics?: Metrics
}

/** Opens each configured door with a transport of its own, so that one that fails never closes the other. */
export function createDoors({ vendor, signin, accessKey }: Config, options: DoorsOptions): Doors {
  const { client, logger, metrics } = options
  const createTransport = (door: TokenIssuer['door']) =>
    createVendorTransport({ client, logger, ...vendor, metrics: metrics?.ofDoor(door) })
  const keys = signin && createKeyRings(signin)
  const accessKeys = accessKey && { current: accessKey }
  const findIssuer =
    keys && createSignin({ ...vendor, ...signin, transport: createTransport('signin'), keys, logger })
  const accessKeyIssuer =
    accessKeys &&
    createEmbedTokenIssuer({ ...vendor, accessKeys, transport: createTransport('access_key'), logger })
  return {
    signin: findIssuer,
    accessKey: accessKeyIssuer,
    issuers() {
      const issuers: ReturnType<Doors['issuers']> = new Map()
      if (findIssuer && keys) issuers.set('signin', [undefined, ...keys.types()].map(findIssuer))
      if (accessKeyIssuer) issuers.set('access_key', [accessKeyIssuer])
      return issuers
    },
    replace(changed) {
      if (changed.signin !== undefined) keys?.replace(changed.signin)
      if (accessKeys !== undefined && changed.accessKey !== undefined) accessKeys.current = changed.accessKey
    },
  }
}
