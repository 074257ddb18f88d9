import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { readSecretFile } from './secret-file.ts'

/** The file of a secret, as the last looks found it. */
export interface FollowedFile {
  readonly name: string
  /** What the file contains, or undefined if it cannot be read. */
  content: string | undefined
  /** Whether the last two looks agree. A file that is still being written is not settled. */
  settled: boolean
  /** When a look last found it changed, on the monotonic clock. */
  changedAt: number
  /** Looks at the file without blocking the process, and reads it once a change has settled. */
  look(): Promise<void>
}

/** Follows a file that was just read. */
export function createFollowedFile(name: string, path: string, content: string): FollowedFile {
  let looking = false
  let seen: string | undefined
  let readAs: string | undefined

  async function look(): Promise<void> {
    // An earlier look may still hang in a network file system.
    if (looking) return
    looking = true
    const found = await identify(path)
    looking = false
    file.settled = found === seen
    if (file.settled) read(found)
    else file.changedAt = performance.now()
    seen = found
  }

  /** Tries an unreadable file again at the next look: the reason may be ours, such as too many open files. */
  function read(found: string): void {
    if (found === readAs) return
    file.content = attemptRead(path)
    readAs = file.content === undefined ? undefined : found
  }

  const file: FollowedFile = { name, content, settled: false, changedAt: -Infinity, look }
  return file
}

/**
 * Tells one version of a file from the next. Opens the file, because network file systems ask their server
 * only then. Does not block, because opening a pipe could wait forever.
 */
async function identify(path: string): Promise<string> {
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await handle.stat({ bigint: true })
      return [dev, ino, size, mtimeNs, ctimeNs].join()
    } finally {
      await handle.close()
    }
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}

function attemptRead(path: string): string | undefined {
  try {
    return readSecretFile(path)
  } catch {
    return undefined
  }
}
