import { fingerprint } from '../lib/fingerprint.ts'
import type { Logger } from '../telemetry/logger.ts'
import { ConfigError, type Config } from './config.ts'
import { createFollowedFile, type FollowedFile } from './followed-file.ts'

interface SecretWatchOptions {
  config: Config
  /** Takes the configuration as the files now make it. */
  apply: (config: Config) => void
  logger: Logger
}

/** Files whose secrets are only valid together, or a single file. */
type Group = readonly FollowedFile[]

const intervalMs = 250
/**
 * How long a changed file of a pair waits for the other. Even then, the change is in use within two seconds.
 */
const partnerMs = 1_250
const pair = new Set(['RAI_ACCESS_ID', 'RAI_ACCESS_KEY'])

/**
 * Follows the files of secrets. Looks at each four times a second, which notices a rename and a swapped
 * symlink (Kubernetes' `..data`) on any file system. Content that makes no valid configuration is logged once
 * and changes nothing.
 */
export function watchSecretFiles({ config, apply, logger }: SecretWatchOptions): { close(): void } {
  const { secretFiles } = config
  const contents = new Map(secretFiles.contents)
  /** The content that was last used or refused, by name. */
  const judged = new Map<string, string | undefined>(contents)
  const files = [...secretFiles.paths]
    // A new one would make every user a new user.
    .filter(([name]) => name !== 'SUBJECT_KEY')
    .map(([name, path]) => createFollowedFile(name, path, contents.get(name)!))
  const groups = groupFiles(files)
  const timer = files.length === 0 ? undefined : setInterval(follow, intervalMs).unref()

  function follow(): void {
    for (const file of files) if (isNew(file) && file.content === undefined) reject(file, 'unreadable')
    const accepted = groups.filter(isDue).flatMap(tryGroup)
    if (accepted.length > 0) apply(secretFiles.reload(contents))
    for (const { name } of accepted) reportUse(name)
    for (const file of files) void file.look()
  }

  const isNew = ({ name, settled, content }: FollowedFile) => settled && content !== judged.get(name)

  /**
   * In a pair, a change of one file waits until the other changes too, or until neither changes for a while.
   */
  function isDue(group: Group): boolean {
    if (!group.some(isNew)) return false
    if (group.some(({ settled, content }) => !settled || content === undefined)) return false
    const since = performance.now() - partnerMs
    const bothChanged = group.every(({ name, content }) => content !== contents.get(name))
    return group.length === 1 || bothChanged || group.every(({ changedAt }) => changedAt <= since)
  }

  /**
   * Takes the group's new content if it makes a valid configuration. Returns the files that are newly in use.
   */
  function tryGroup(group: Group): FollowedFile[] {
    const fresh = group.filter(isNew)
    const before = group.map(({ name }) => contents.get(name)!)
    for (const { name, content } of group) contents.set(name, content!)
    try {
      secretFiles.reload(contents)
      for (const { name, content } of group) judged.set(name, content)
      return fresh
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      for (const [index, { name }] of group.entries()) contents.set(name, before[index]!)
      for (const file of fresh) reject(file, 'malformed')
      return []
    }
  }

  function reportUse(name: string): void {
    const fields = { event: eventOf(name), name, keyIds: idsOf(contents.get(name)!) }
    logger.info(fields, `The new content of ${name}_FILE is in use`)
  }

  function reject({ name, content }: FollowedFile, outcome: string): void {
    judged.set(name, content)
    const advice = `${name}_FILE is unreadable or holds no valid ${name}. The previous content stays in use`
    logger.error({ event: eventOf(name), name, outcome, keyIds: idsOf(contents.get(name)!) }, advice)
  }

  return { close: () => clearInterval(timer) }
}

function groupFiles(files: readonly FollowedFile[]): Group[] {
  const together = files.filter(({ name }) => pair.has(name))
  return [together, ...files.filter((file) => !together.includes(file)).map((file) => [file])]
}

function eventOf(name: string): string {
  return name === 'WIDGET_API_KEY' ? 'api_key_file' : 'secret_file'
}

/** Of each line, or of a whole PEM. */
function idsOf(content: string): string[] {
  const secrets = content.startsWith('-----BEGIN ') ? [content] : content.split(/\r?\n/)
  return secrets.map(fingerprint)
}
