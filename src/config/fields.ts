import { isIP, isIPv6 } from 'node:net'
import { domainToASCII } from 'node:url'
import ipaddr from 'ipaddr.js'
import { z } from 'zod'
import { isPlainEmail } from '../session/email.ts'
import { isSourceAddress } from '../session/source-address.ts'

// The grammar of each kind of value. A message says what is expected, and never quotes a value.

/** A whole number within bounds. */
export const integer = (min: number, max: number) =>
  text(`must be a whole number from ${min} to ${max}`, (value) => {
    const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN
    return number >= min && number <= max ? number : undefined
  })

export const flag = text('must be true or false', (value) =>
  value === 'true' || value === 'false' ? value === 'true' : undefined,
)

export const onOrOff = text('must be on or off', (value) =>
  value === 'on' || value === 'off' ? value === 'on' : undefined,
)

/** Visible ASCII, which fits into a header, and not a template's placeholder. */
export const headerSecret = text(
  'must be visible ASCII without spaces, and not a placeholder (its value is not shown)',
  (value) => (isHeaderSecret(value) ? value : undefined),
)

/** Secrets that stand alone, from a file: the one in use, and a second line while it is being replaced. */
export const headerSecrets = twoLines(
  isHeaderSecret,
  'must be one or two lines of visible ASCII, and not a placeholder (its value is not shown)',
)

export const visibleSecrets = twoLines(
  (value) => /^[\x21-\x7e]{1,1024}$/.test(value),
  'must be one or two lines of visible ASCII without spaces (its value is not shown)',
)

/** The rules check whether they are long enough. */
export const anySecrets = twoLines(
  (value) => value !== '',
  'must be one or two lines (its value is not shown)',
)

/** Secrets of any text: comma-separated, or one a line where there is a line break. */
export const secretList = z
  .string()
  .transform((value) =>
    value.includes('\n') ? value.replace(/\r?\n$/, '').split(/\r?\n/) : splitList(value),
  )
  .pipe(z.array(z.string().min(1)).min(1, 'must name at least one'))

/** PEMs, also on one line with `\\n` as line breaks. The rules check whether the keys fit. */
export const pems = z.string().transform(splitPem)

/** The keys or certificates of a PEM; of what is no PEM, its text. */
export function splitPem(value: string): string[] {
  const pem = value.replaceAll('\\n', '\n')
  return pem.match(/-----BEGIN [^-]+-----[^-]*-----END [^-]+-----/g) ?? [pem]
}

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

export const communityId = matching(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, _ or -')

export const claimName = matching(/^[\x21-\x7e]{1,256}$/, 'must be the name of a claim, or a dotted path')

export const headerName = matching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, 'must be the name of a header')

export const cookieName = matching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/, 'must be the name of a cookie')

export const visible = matching(/^[\x21-\x7e]{1,1024}$/, 'must be visible ASCII without spaces')

/** Where a token is: `bearer`, `cookie:NAME` or `header:NAME`. */
export const credentialEntry = matching(
  /^(bearer|cookie:[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}|header:[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64})$/,
  'must be bearer, cookie:NAME or header:NAME',
)

export const email = text('must be one plain email address (its value is not shown)', (value) =>
  isPlainEmail(value) ? value : undefined,
)

export const emailDomain = text('must be domains such as example.com', (value) => {
  // Node would take `example.com/x` for `example.com`.
  const ascii = /[/\\?#:@]/.test(value) ? '' : domainToASCII(value.toLowerCase())
  return /^[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(ascii) ? ascii : undefined
})

const widgetType = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/

/** A widget on the page: `type:id`, or `public:type:id` if it needs no token. */
export const widget = text('must be type:id or public:type:id', (value) => {
  const match = /^(public:)?([A-Za-z0-9][A-Za-z0-9_-]{0,63}):([A-Za-z0-9_=-]{1,128})$/.exec(value)
  return match === null ? undefined : { type: match[2]!, id: match[3]!, public: match[1] !== undefined }
})

/** A user identifier of the vendor and the claim that holds it, such as `data-customer-id=sub`. */
export const userIdentifier = text('must be pairs such as data-customer-id=sub', (value) => {
  const match = /^(data-[a-z0-9_-]{1,64})=([\x21-\x7e]{1,256})$/i.exec(value)
  return match === null ? undefined : { name: match[1]!, claim: match[2]! }
})

/** A widget type with an API key of its own. */
export const typedKey = text(
  'must be type:key pairs (no value is shown)',
  (value): [string, string] | undefined => {
    const colon = value.indexOf(':')
    const type = value.slice(0, colon)
    const key = value.slice(colon + 1)
    return colon > 0 && widgetType.test(type) && isHeaderSecret(key) ? [type, key] : undefined
  },
)

/** Comma-separated values of one kind. Spaces around them and a trailing comma are ignored. */
export function listOf<Value>(field: z.ZodType<Value, string>) {
  return z.string().transform(splitList).pipe(z.array(field).min(1, 'must name at least one'))
}

/**
 * The entries of a comma-separated list, or none if it is absent. An empty entry counts, except at the end.
 */
export function splitList(value = ''): string[] {
  const entries = value.split(',').map((entry) => entry.trim())
  return entries.filter((entry, index) => entry !== '' || index < entries.length - 1)
}

/** One or two secrets, one a line. */
function twoLines(isSecret: (value: string) => boolean, message: string) {
  return text(message, (value) => {
    const secrets = splitLines(value)
    return secrets.length <= 2 && secrets.every(isSecret) ? secrets : undefined
  })
}

export function splitLines(value = ''): string[] {
  return value === '' ? [] : value.split(/\r?\n/)
}

/** Makes a field from a parser that returns undefined for an invalid value. */
function text<Value>(message: string, parse: (value: string) => Value | undefined) {
  return z.string().transform((value, context) => {
    const parsed = parse(value)
    if (parsed !== undefined) return parsed
    context.addIssue({ code: 'custom', message })
    return z.NEVER
  })
}

function matching(pattern: RegExp, message: string) {
  return text(message, (value) => (pattern.test(value) ? value : undefined))
}

/** Whether a secret fits into a header: visible ASCII, and not a template's placeholder. */
function isHeaderSecret(value: string): boolean {
  const placeholder = /^(change-?_?me|replace-?_?me|your[-_ ]?(widget[-_ ])?api[-_ ]?key|secret|todo|xxx+)$/i
  return /^[\x21-\x7e]{1,4096}$/.test(value) && !placeholder.test(value)
}

function parseUrl(value: string): URL | undefined {
  const url = /^https?:\/\/[^\s#]+$/i.test(value) ? attempt(() => new URL(value)) : undefined
  return url?.username === '' && url.password === '' ? url : undefined
}

/** User and password are decoded when they are used, and a `%` outside an escape would fail there. */
function isDecodableUrl(value: string): boolean {
  return URL.canParse(value) && attempt(() => decodeURIComponent(value)) !== undefined
}

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
