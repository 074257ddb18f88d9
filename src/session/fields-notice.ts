import { isRecord } from '../lib/json.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Claims } from './claims.ts'

const maxNotices = 10
const maxFields = 20

/**
 * Logs once which fields an answer or a stored session without a user has, so that a mistyped claim does not
 * look like a sign-out forever.
 */
export function createFieldsNotice(logger: Logger, event: string, subject: string) {
  const known = new Set<string>()
  return function warnOfFields(claims: Claims): void {
    const fields = namesOf(claims)
    const topic = fields.join()
    if (fields.length === 0 || known.has(topic) || known.size >= maxNotices) return
    known.add(topic)
    const advice =
      `${subject} has neither the email nor the user id, and counts as signed out. ` +
      'If one of its fields holds them, name it in SESSION_EMAIL_CLAIM or SESSION_SUBJECT_CLAIM'
    logger.warn({ event, fields }, advice)
  }
}

/** The names of the fields, except one that could itself be an email or a key. */
function namesOf(claims: unknown): string[] {
  if (Array.isArray(claims)) return namesOf(claims[0]).map((name) => `0.${name}`)
  if (!isRecord(claims)) return []
  const names = Object.keys(claims).filter(
    (name) => claims[name] !== null && /^[A-Za-z_][\w-]{0,39}$/.test(name),
  )
  return names.slice(0, maxFields)
}
