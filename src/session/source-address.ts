import ipaddr from 'ipaddr.js'

/** The rule for the URL of a session source, for the error message. */
export const sourceAddressRule =
  'must be https, or http on a private network or to a host of SESSION_HTTP_HOSTS'

/**
 * Whether a session source may have this address: https anywhere, http only where strangers cannot listen.
 */
export function isSourceAddress({ protocol, hostname }: URL, httpHosts: readonly string[]): boolean {
  if (protocol === 'https:') return true
  return protocol === 'http:' && (isPrivateHost(hostname) || httpHosts.includes(hostname))
}

/**
 * Of Kubernetes, Consul and private networks (RFC 6762 appendix G, RFC 8375): no public name has such an
 * ending.
 */
const privateSuffix = /\.(local|internal|localhost|svc|consul|corp|lan|home\.arpa)$/

/**
 * A single label (a compose service), a private suffix, or an address that no router on the internet carries.
 */
function isPrivateHost(hostname: string): boolean {
  const address = hostname.replace(/^\[|\]$/g, '')
  if (!ipaddr.isValid(address)) return !hostname.includes('.') || privateSuffix.test(hostname)
  return ['loopback', 'private', 'uniqueLocal', 'linkLocal', 'carrierGradeNat'].includes(
    ipaddr.process(address).range(),
  )
}
