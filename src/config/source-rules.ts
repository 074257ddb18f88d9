import { isSourceAddress, sourceAddressRule } from '../session/source-address.ts'
import { splitList } from './lists.ts'
import { isGiven, type Environment, type Fault } from './files.ts'

const urlNames = ['SESSION_FORWARD_URL', 'SESSION_JWT_JWKS_URL', 'SESSION_INTROSPECTION_URL']

/** Finds session sources that would be asked by plain http over a network that others may read. */
export function findAddressConflicts(values: Environment): Fault[] {
  const httpHosts = splitList(values.SESSION_HTTP_HOSTS).map((host) => host.toLowerCase())
  const addresses = [...urlNames, ...discoveryNames(values)]
  return [
    ...addresses
      .filter((name) => !passes(values[name], httpHosts))
      .map((name) => ({ name, message: sourceAddressRule })),
    ...discoveryNames(values)
      .filter((name) => !isIssuerUrl(values[name]))
      .map((name) => ({
        name,
        message: 'must be a URL without query and userinfo, since it is asked for its keys',
      })),
  ]
}

/** The settings for the key of jwt sessions. Without any of them, the issuer is asked for its keys. */
export const jwtKeyNames = ['SESSION_JWT_JWKS_URL', 'SESSION_JWT_PUBLIC_KEY', 'SESSION_JWT_SECRET']

/** The issuers whose discovery document is asked for. */
function discoveryNames(values: Environment): string[] {
  const hasKey = jwtKeyNames.some((name) => isGiven(values, name))
  const readsJwts = splitList(values.SESSION_MODE).includes('jwt')
  const names = readsJwts && !hasKey ? ['SESSION_JWT_ISSUER'] : []
  return [...names, 'SESSION_INTROSPECTION_ISSUER'].filter((name) => values[name] !== undefined)
}

function isIssuerUrl(value = ''): boolean {
  return /^https?:\/\/[^\s?#@]+$/.test(value) && URL.canParse(value)
}

/** An invalid URL has an error of its own. */
function passes(value: string | undefined, httpHosts: readonly string[]): boolean {
  return value === undefined || !URL.canParse(value) || isSourceAddress(new URL(value), httpHosts)
}
