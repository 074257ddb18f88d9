import { readFile } from 'node:fs/promises'
import { apiKeys } from '../config/fields.ts'

interface KeyFileWatch {
  close(): void
}

interface KeyFileOptions {
  /** What was read at the start. */
  keys: readonly string[]
  replace: (keys: readonly string[]) => void
  /** Told once of each unusable content: `unreadable` or `malformed`. */
  reject: (outcome: string) => void
}

const intervalMs = 500

/**
 * Reads the file anew twice a second, which sees a rename and a swapped symlink (Kubernetes' `..data`) on any file system.
 * A change counts when two reads agree, so that a file caught half written is not taken for one.
 */
export function watchKeyFile(path: string, { keys, replace, reject }: KeyFileOptions): KeyFileWatch {
  let verdict = keys.join('\n')
  let settled: string | undefined = verdict
  let last: string | undefined = settled
  let closed = false
  let timer = wait()

  function wait(): NodeJS.Timeout {
    return setTimeout(() => void look(), intervalMs).unref()
  }

  async function look(): Promise<void> {
    const content = await read(path)
    if (closed) return
    if (content === last && content !== settled) settle(content)
    last = content
    timer = wait()
  }

  function settle(content: string | undefined): void {
    settled = content
    const parsed = apiKeys.safeParse(content)
    const found = parsed.success ? parsed.data.join('\n') : content === undefined ? 'unreadable' : 'malformed'
    if (found === verdict) return
    verdict = found
    if (parsed.success) replace(parsed.data)
    else reject(found)
  }

  return {
    close() {
      closed = true
      clearTimeout(timer)
    },
  }
}

/** The content as the configuration reads it: one trailing newline is not part of it. */
async function read(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).replace(/\r?\n$/, '')
  } catch {
    return undefined
  }
}
