import type { IncomingMessage } from 'node:http'

/**
 * Every line of one header as received, by lower-case name. Of duplicates, `request.headers` keeps only the
 * first for some names and joins the others.
 */
export function headerLines({ rawHeaders }: IncomingMessage, name: string): string[] {
  return rawHeaders.filter((_, index) => index % 2 === 1 && isNamed(rawHeaders[index - 1]!, name))
}

function isNamed(given: string, name: string): boolean {
  return given.length === name.length && given.toLowerCase() === name
}
