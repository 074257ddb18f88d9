/**
 * A shorter secret could match other text by chance. The log's tripwire ignores more of them: its false alarm
 * would cost a log line.
 */
const minLength = 8

/** The secrets that are worth a search. */
export function searchable(secrets: readonly string[]): string[] {
  return secrets.filter(({ length }) => length >= minLength)
}
