import { hash } from 'node:crypto'
import type { Logger } from '../telemetry/logger.ts'
import { ConfigError, type Config } from './config.ts'
import { readSecretFile } from './secret-file.ts'

interface SecretWatchOptions {
  config: Config
  /** Takes the configuration as the files now make it. */
  apply: (config: Config) => void
  logger: Logger
}

interface WatchedFile {
  name: string
  path: string
  /**
   * What the last look found, and the one before that was the same; undefined: nothing that could be read.
   */
  last: string | undefined
  settled: string | undefined
}

const intervalMs = 500

/**
 * Follows the files of secrets. Reads each twice a second, which sees a rename and a swapped symlink
 * (Kubernetes' `..data`) on any file system. A change counts when two looks agree, so that a half-written
 * file is not used. Content that makes no valid configuration changes nothing, and the log says so once.
 */
export function watchSecretFiles({ config, apply, logger }: SecretWatchOptions): { close(): void } {
  const { secretFiles } = config
  const contents = new Map(secretFiles.contents)
  const files: WatchedFile[] = [...secretFiles.paths]
    // A new one would make every user a new user.
    .filter(([name]) => name !== 'SUBJECT_KEY')
    .map(([name, path]) => ({ name, path, last: contents.get(name), settled: contents.get(name) }))
  const timer = files.length === 0 ? undefined : setInterval(look, intervalMs).unref()

  function look(): void {
    const changed = files.filter(hasSettled)
    const accepted = changed.filter(tryContent)
    if (accepted.length === 0) return
    apply(secretFiles.reload(contents))
    for (const { name } of accepted) reportUse(name)
  }

  /** Leaves the content among the others only where they make a valid configuration together. */
  function tryContent({ name, settled }: WatchedFile): boolean {
    const before = contents.get(name)!
    if (settled === undefined) return reject(name, 'unreadable')
    contents.set(name, settled)
    try {
      secretFiles.reload(contents)
      return true
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      contents.set(name, before)
      return reject(name, 'malformed')
    }
  }

  function reportUse(name: string): void {
    logger.info(
      { event: eventOf(name), name, keyIds: idsOf(contents.get(name)!) },
      `${name}_FILE is in use as it now is`,
    )
  }

  function reject(name: string, outcome: string): false {
    const advice = `${name}_FILE must be readable and hold what ${name} may be: what was read before stays in use`
    logger.error({ event: eventOf(name), name, outcome, keyIds: idsOf(contents.get(name)!) }, advice)
    return false
  }

  return { close: () => clearInterval(timer) }
}

/** Whether the file now holds, for the second look in a row, something else than what was settled before. */
function hasSettled(file: WatchedFile): boolean {
  const content = read(file.path)
  const settles = content === file.last && content !== file.settled
  file.last = content
  if (settles) file.settled = content
  return settles
}

function read(path: string): string | undefined {
  try {
    return readSecretFile(path)
  } catch {
    return undefined
  }
}

function eventOf(name: string): string {
  return name === 'WIDGET_API_KEY' ? 'api_key_file' : 'secret_file'
}

/** By the first eight hex digits of SHA-256: of each line, or of a whole PEM. */
function idsOf(content: string): string[] {
  const secrets = content.startsWith('-----BEGIN ') ? [content] : content.split(/\r?\n/)
  return secrets.map((secret) => hash('sha256', secret, 'hex').slice(0, 8))
}
