import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs'

const maxBytes = 16 * 1024

/**
 * Why a secret's file cannot be used. The message follows the name of the setting and holds nothing of the
 * file.
 */
export class SecretFileError extends Error {}

/**
 * The content of a secret's file without one trailing newline. Reads regular files of at most 16 KB only:
 * `/dev/zero` has no end, and a pipe would block. Throws `SecretFileError`.
 */
export function readSecretFile(path: string): string {
  const descriptor = open(path)
  try {
    const stats = fstatSync(descriptor)
    if (!stats.isFile()) throw new SecretFileError('does not name a regular file')
    // One byte more than allowed: the size that a file system states may be wrong.
    const buffer = Buffer.alloc(maxBytes + 1)
    const length = readWhole(descriptor, buffer)
    if (length > maxBytes) throw new SecretFileError('names a file of more than 16 KB')
    return buffer.toString('utf8', 0, length).replace(/\r?\n$/, '')
  } catch (error) {
    throw toFault(error)
  } finally {
    closeSync(descriptor)
  }
}

/** Does not block: a pipe without a writer would stop the process. */
function open(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    throw toFault(error, path)
  }
}

function readWhole(descriptor: number, buffer: Buffer): number {
  let length = 0
  for (;;) {
    const count = readSync(descriptor, buffer, length, buffer.length - length, null)
    length += count
    if (count === 0 || length === buffer.length) return length
  }
}

function toFault(error: unknown, path?: string): SecretFileError {
  if (error instanceof SecretFileError) return error
  const { code } = error as NodeJS.ErrnoException
  const owner = code === 'EACCES' && path !== undefined ? describeOwner(path) : ''
  return new SecretFileError(`names a file that cannot be read (${code}${owner})`)
}

/** Who may read a file, if its folder allows the question. */
function describeOwner(path: string): string {
  const stats = attemptStat(path)
  return stats === undefined ? '' : `, mode ${modeOf(stats)}, owned by uid ${stats.uid} and gid ${stats.gid}`
}

function attemptStat(path: string) {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}

const modeOf = ({ mode }: { mode: number }) => (mode & 0o777).toString(8).padStart(4, '0')
