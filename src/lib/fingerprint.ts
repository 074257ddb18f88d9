import { hash } from 'node:crypto'

/** What the log may call a secret: the first eight hex digits of its SHA-256. */
export function fingerprint(secret: string): string {
  return hash('sha256', secret, 'hex').slice(0, 8)
}
