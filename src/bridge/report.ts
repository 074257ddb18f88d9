import { call } from './page.ts'

const warned = new Set<string>()

/** What to check, by the code of the warning. */
const HINTS: Record<string, string> = {
  coep: 'iframes need credentialless',
  header: 'not allowed',
  network: origin === 'null' ? 'sandbox needs allow-same-origin' : 'broker up? origin in ALLOWED_ORIGINS?',
  no_token: 'a login page?',
  origin: 'not in data-widget-origin',
  other_site: 'third-party cookie: serve the broker on this site',
  policy: 'add it to the Content-Security-Policy',
  second_copy: 'load one copy',
  session_missing: 'signed in? cookie sent?',
  token_url: 'no address',
}

/** The last two labels of the page's host: a guess at its site that is good enough for a hint. */
const site = location.hostname.split('.').slice(-2).join('.')

/** Warns in the console what to check, once for each code. The text has no secret. */
export function warn(code: string, place: string): undefined {
  const elsewhere = code === 'session_missing' && !place.includes(site)
  const hint = HINTS[elsewhere ? 'other_site' : code] ?? 'see docs/problems.md'
  if (!warned.has(code)) console.warn(`returning-ai: ${code} at ${place}: ${hint}`)
  warned.add(code)
}

/** Dispatches one of our events on the document. */
export function emit(name: string, detail: object): void {
  call('dispatchEvent', new CustomEvent(`returning-ai:${name}`, { detail }))
}
