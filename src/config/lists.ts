// How the settings that hold several values are separated.

/**
 * The entries of a comma-separated list, or none if it is absent. An empty entry counts, except at the end.
 */
export function splitList(value = ''): string[] {
  const entries = value.split(',').map((entry) => entry.trim())
  return entries.filter((entry, index) => entry !== '' || index < entries.length - 1)
}

/** The lines of a value, or none if it is empty or absent. */
export function splitLines(value = ''): string[] {
  return value === '' ? [] : value.split(/\r?\n/)
}

/** The keys or certificates of a PEM, or the text itself if it is not a PEM. */
export function splitPem(value: string): string[] {
  const pem = value.replaceAll('\\n', '\n')
  return pem.match(/-----BEGIN [^-]+-----[^-]*-----END [^-]+-----/g) ?? [pem]
}
