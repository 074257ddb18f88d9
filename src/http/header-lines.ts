import type { IncomingMessage } from 'node:http'

/**
 * Every line of one header as it came, by its name in lower case: of duplicates, `request.headers` keeps the first of some and joins
 * others.
 */
export function headerLines({ rawHeaders }: IncomingMessage, name: string): string[] {
  return rawHeaders.filter((_, index) => index % 2 === 1 && isNamed(rawHeaders[index - 1]!, name))
}

function isNamed(given: string, name: string): boolean {
  return given.length === name.length && given.toLowerCase() === name
}
