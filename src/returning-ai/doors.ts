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
  close(): void
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
    createVendorTransport({ client, logger, ...vendor, observer: metrics?.ofDoor(door) })
  const doors: Doors = { close: () => undefined }
  if (signin !== undefined) {
    const keys = createKeyRings({ ...signin, logger })
    const transport = createTransport('signin')
    doors.signin = createSignin({ ...vendor, ...signin, transport, keys, logger })
    doors.close = () => keys.close()
  }
  if (accessKey !== undefined) {
    const transport = createTransport('access_key')
    doors.accessKey = createEmbedTokenIssuer({ ...vendor, ...accessKey, transport, logger })
  }
  return doors
}
