const warned = new Set<string>()

/** Says once per cause, in the console, what to check. Nothing in it is secret. */
export function warn(code: string, place: string, hint: string): undefined {
  if (!warned.has(code)) console.warn(`returning-ai: ${code} at ${place}: ${hint}`)
  warned.add(code)
}

/** Dispatches one of our events on the document. */
export function emit(name: string, detail: object): void {
  EventTarget.prototype.dispatchEvent.call(document, new CustomEvent(`returning-ai:${name}`, { detail }))
}

const HINTS: Record<string, string> = {
  no_token: 'is this a login page?',
  token_refused: 'are key and widget id right?',
  headers: 'the function given to configure() failed or took too long',
}

/** What to check when a token request ends like this. */
export function hintFor(code: string, { hostname }: URL): string {
  if (code === 'network')
    return origin === 'null'
      ? 'this page has the origin null: its sandbox needs allow-same-origin'
      : 'is the broker up, and this origin in ALLOWED_ORIGINS?'
  if (code !== 'session_missing') return HINTS[code] ?? 'see docs/problems.md'
  return isOtherSite(hostname)
    ? 'browsers block cookies of another site: serve the broker under a path or subdomain of this site'
    : 'signed in? is the cookie sent here?'
}

/** A guess by the last two labels, good enough for a hint. */
function isOtherSite(hostname: string): boolean {
  return siteOf(hostname) !== siteOf(location.hostname)
}

function siteOf(hostname: string): string {
  return hostname.split('.').slice(-2).join('.')
}

/** Names a Content-Security-Policy that forbids what the bridge needs. */
export function warnOfPolicy(origins: readonly string[]) {
  return (event: Event): void => {
    const { blockedURI, effectiveDirective } = event as SecurityPolicyViolationEvent
    const blocked = origins.find((each) => blockedURI.startsWith(each))
    if (blocked) warn('policy', blocked, `add it to ${effectiveDirective} of the Content-Security-Policy`)
  }
}
