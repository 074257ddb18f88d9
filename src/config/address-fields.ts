import { isIP, isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'
import { isSourceAddress } from '../session/source-address.ts'
import { text } from './grammar.ts'

// The grammar of addresses: URLs, origins, hosts and networks.

const plainHost = /^([a-z0-9.-]+|\[[0-9a-f:]+\])$/

/** https anywhere. The rules check where plain http is allowed on a private network. */
export const vendorUrl = text(
  'must be an https origin without path (http on loopback, or for the sandbox on a private network)',
  (value) => {
    const url = parseUrl(value)
    const bare = url !== undefined && url.pathname === '/' && url.search === '' && !value.endsWith('?')
    // It becomes a source in the page's Content-Security-Policy, where `*` and quotes have a meaning.
    const plain = bare && plainHost.test(url.hostname)
    return plain && isSourceAddress(url, []) ? url : undefined
  },
)

/** The address of a session source. The rules check where plain http is allowed. */
export const sourceUrl = text('must be an https or http URL without userinfo', parseUrl)

/** One host name or address, as a URL holds it. */
export const hostName = text('must be host names or addresses without a port', (value) => {
  const url = parseUrl(`http://${value}`)
  return url?.hostname === value.toLowerCase() && plainHost.test(url.hostname) ? url.hostname : undefined
})

/** An address under which browsers reach the broker. Its path is one that a proxy strips. */
export const publicUrl = text('must be http or https URLs without userinfo or query', (value) => {
  const url = parseUrl(value)
  return url !== undefined && plainHost.test(url.hostname) && !value.includes('?') ? url : undefined
})

export const redisUrl = text(
  'must be a redis:// or rediss:// URL, with a database number as path or none (its value is not shown)',
  (value) => (/^rediss?:\/\/[^\s/]+(\/\d*)?$/.test(value) && isDecodableUrl(value) ? value : undefined),
)

export const proxyUrl = text(
  'must be an http:// or https:// URL without path (its value is not shown)',
  (value) => (/^https?:\/\/[^\s/?#]+\/?$/.test(value) && isDecodableUrl(value) ? value : undefined),
)

/** Of the web views of Capacitor, Ionic and Tauri, and of apps with a scheme of their own. */
const appOrigin = /^(capacitor|ionic|tauri|app):\/\/[a-z0-9][a-z0-9.-]*$/

/** The exact text that a browser sends as `Origin` (RFC 6454 §6.2). */
export const origin = text(
  'must be origins as a browser sends them, such as https://app.example.com: lower case, punycode, no default port, path, trailing slash, wildcard or null',
  (value) => {
    if (appOrigin.test(value)) return value
    const url = parseUrl(value)
    const exact = url?.origin === value && plainHost.test(url.hostname)
    return exact ? value : undefined
  },
)

/** A network in CIDR notation, or one address, but not a whole address family or an IPv4-mapped network. */
export const cidr = text('must be addresses or CIDRs such as 10.0.0.0/8', parseNetwork)

/** The same, or one of Express's names for networks. */
export const proxyNetwork = text(
  'must be addresses, CIDRs such as 10.0.0.0/8, loopback, linklocal or uniquelocal (true and hop counts are not allowed)',
  (value) => (/^(loopback|linklocal|uniquelocal)$/.test(value) ? value : parseNetwork(value)),
)

export const listenAddress = text('must be host:port', (value) => {
  const match = /^(\[[0-9a-f:.]+\]|[A-Za-z0-9.-]+):(\d{1,5})$/i.exec(value)
  const port = Number(match?.[2])
  return match !== null && port <= 65_535 ? { host: match[1]!.replace(/^\[|\]$/g, ''), port } : undefined
})

export const host = text('must be a host name or address', (value) =>
  /^[A-Za-z0-9.:-]{1,253}$/.test(value) ? value : undefined,
)

function parseUrl(value: string): URL | undefined {
  const url = /^https?:\/\/[^\s#]+$/i.test(value) ? attempt(() => new URL(value)) : undefined
  return url?.username === '' && url.password === '' ? url : undefined
}

/** User and password are decoded when they are used, and a `%` outside an escape would fail there. */
function isDecodableUrl(value: string): boolean {
  return URL.canParse(value) && attempt(() => decodeURIComponent(value)) !== undefined
}

/** Whether a URL's host is this machine. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname)
}

function parseNetwork(value: string): string | undefined {
  const [address = '', prefix, ...rest] = value.split('/')
  if (isIP(address) === 0 || rest.length > 0 || isMapped(address)) return undefined
  if (prefix === undefined) return value
  return /^[1-9]\d{0,2}$/.test(prefix) && ipaddr.isValidCIDR(value) ? value : undefined
}

/** In any notation: `::ffff:0:0/96` is all of IPv4. */
function isMapped(address: string): boolean {
  return isIPv6(address) && ipaddr.IPv6.parse(address).isIPv4MappedAddress()
}

function attempt<Value>(work: () => Value): Value | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
