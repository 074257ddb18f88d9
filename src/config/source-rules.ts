import { isSourceAddress, sourceAddressRule } from '../session/source-address.ts'
import { splitList } from './fields.ts'
import type { Environment, Fault } from './files.ts'

const urlNames = ['SESSION_FORWARD_URL', 'SESSION_JWT_JWKS_URL', 'SESSION_INTROSPECTION_URL']

/** Finds session sources that would be asked by plain http over a network that others may read. */
export function findAddressConflicts(values: Environment): Fault[] {
  const httpHosts = splitList(values.SESSION_HTTP_HOSTS).map((host) => host.toLowerCase())
  return urlNames
    .filter((name) => !passes(values[name], httpHosts))
    .map((name) => ({ name, message: sourceAddressRule }))
}

/** An invalid URL has an error of its own. */
function passes(value: string | undefined, httpHosts: readonly string[]): boolean {
  return value === undefined || !URL.canParse(value) || isSourceAddress(new URL(value), httpHosts)
}
