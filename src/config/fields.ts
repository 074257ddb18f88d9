import { domainToASCII } from 'node:url'
import { z } from 'zod'
import { isPlainEmail } from '../session/email.ts'
import { matching, text } from './grammar.ts'
import { splitLines, splitList, splitPem } from './lists.ts'

// The grammar of each kind of value, except addresses.

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

/** PEMs, also on one line with `\n` as line breaks. The rules check whether the keys fit. */
export const pems = z.string().transform(splitPem)

export const communityId = matching(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, _ or -')

export const claimName = matching(/^[\x21-\x7e]{1,256}$/, 'must be the name of a claim, or a dotted path')

/** The names of headers and of cookies consist of these characters (RFC 9110 §5.6.2, RFC 6265 §4.1.1). */
const tokenCharacter = "[A-Za-z0-9!#$%&'*+.^_`|~-]"
const header = `${tokenCharacter}{1,64}`
const cookie = `${tokenCharacter}{1,128}`

export const headerName = matching(new RegExp(`^${header}$`), 'must be the name of a header')

export const cookieName = matching(new RegExp(`^${cookie}$`), 'must be the name of a cookie')

export const visible = matching(/^[\x21-\x7e]{1,1024}$/, 'must be visible ASCII without spaces')

/** Where a token is: `bearer`, `cookie:NAME` or `header:NAME`. */
export const credentialEntry = matching(
  new RegExp(`^(bearer|cookie:${cookie}|header:${header})$`),
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

const widgetType = '[A-Za-z0-9][A-Za-z0-9_-]{0,63}'
const widgetEntry = new RegExp(`^(public:)?(${widgetType}):([A-Za-z0-9_=-]{1,128})$`)
const typedKeyEntry = new RegExp(`^(${widgetType}):(.+)$`, 's')

/** A widget on the page: `type:id`, or `public:type:id` if it needs no token. */
export const widget = text('must be type:id or public:type:id', (value) => {
  const match = widgetEntry.exec(value)
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
    const [, type, key] = typedKeyEntry.exec(value) ?? []
    return type !== undefined && isHeaderSecret(key!) ? [type, key!] : undefined
  },
)

/** One or two secrets, one a line. */
function twoLines(isSecret: (value: string) => boolean, message: string) {
  return text(message, (value) => {
    const secrets = splitLines(value)
    return secrets.length <= 2 && secrets.every(isSecret) ? secrets : undefined
  })
}

/** Whether a secret fits into a header: visible ASCII, and not a template's placeholder. */
function isHeaderSecret(value: string): boolean {
  const placeholder = /^(change-?_?me|replace-?_?me|your[-_ ]?(widget[-_ ])?api[-_ ]?key|secret|todo|xxx+)$/i
  return /^[\x21-\x7e]{1,4096}$/.test(value) && !placeholder.test(value)
}
