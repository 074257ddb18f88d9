import { isRecord, parseJson } from '../lib/json.ts'

/** A shorter secret could match other text by chance. */
const minLength = 16

const alarm = {
  event: 'secret_in_log',
  msg: 'A log line contained a configured secret and was left out. Replace the secret, and report this as a bug',
}

/** The last line of defence of the log. The code before it must not log a secret in the first place. */
export interface Tripwire {
  /** Returns the lines as they may be written. An alarm replaces each line that contains a secret. */
  guard: (lines: string) => string
  /** Also looks for these secrets from now on. */
  seek: (secrets: readonly string[]) => void
}

export function createTripwire(secrets: readonly string[]): Tripwire {
  const sought = new Set<string>()

  function seek(further: readonly string[]): void {
    for (const secret of further)
      for (const form of secret.length < minLength ? [] : formsOf(secret)) sought.add(form)
  }

  seek(secrets)
  return {
    seek,
    // Searches all lines at once first, because there is almost never a match.
    guard: (lines) =>
      holdsAny(lines, sought)
        ? lines.replaceAll(/[^\n]+\n?/g, (line) =>
            holdsAny(line, sought) ? createAlarm(line, sought) : line,
          )
        : lines,
  }
}

/** Whether a text contains one of these secrets. Ignores short ones. */
export function holdsSecret(text: string, secrets: readonly string[]): boolean {
  return holdsAny(
    text,
    secrets.filter(({ length }) => length >= minLength),
  )
}

function holdsAny(text: string, sought: Iterable<string>): boolean {
  for (const secret of sought) if (text.includes(secret)) return true
  return false
}

/** The secret as it is, and as JSON escapes it. */
const formsOf = (secret: string) => [secret, JSON.stringify(secret).slice(1, -1)]

function createAlarm(line: string, sought: Iterable<string>): string {
  const left = pickHarmless(line, sought)
  return `${JSON.stringify({ level: 'error', time: new Date().toISOString(), ...alarm, line: left })}\n`
}

/**
 * Who made the request, and what it was. Without these fields, an attacker who knows a secret could hide a
 * request by using the secret as the request id.
 */
const harmless = ['event', 'method', 'route', 'status', 'code', 'door', 'subject', 'clientIp']

function pickHarmless(line: string, sought: Iterable<string>): Record<string, unknown> {
  const fields = parseJson(line)
  if (!isRecord(fields)) return {}
  const kept = harmless.filter((name) => name in fields && !holdsAny(JSON.stringify(fields[name]), sought))
  return Object.fromEntries(kept.map((name) => [name, fields[name]]))
}
