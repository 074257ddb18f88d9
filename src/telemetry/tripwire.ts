/** A shorter secret would be found by chance, in words of ours. */
const minLength = 16

const alarm = {
  event: 'secret_in_log',
  msg: 'A line of the log held a configured secret and was left out. Replace the secret, and report this as a bug',
}

/** The last line of defence of the log. The code before it must not log a secret in the first place. */
export interface Tripwire {
  /** The lines as they may leave. One that holds a secret is replaced by an alarm. */
  guard: (lines: string) => string
  /** Looks for these secrets, too, from now on. */
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
    // All lines at once: nearly always, there is nothing to find.
    guard: (lines) =>
      holdsAny(lines, sought)
        ? lines.replaceAll(/[^\n]+\n?/g, (line) => (holdsAny(line, sought) ? createAlarm() : line))
        : lines,
  }
}

/** Whether a text holds one of these secrets as it is. Short ones are not looked for. */
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

/** As it is, and as a line of JSON holds it. */
const formsOf = (secret: string) => [secret, JSON.stringify(secret).slice(1, -1)]

function createAlarm(): string {
  return `${JSON.stringify({ level: 'error', time: new Date().toISOString(), ...alarm })}\n`
}
