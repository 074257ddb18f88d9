import { isHeaderClaim } from '../session/claims.ts'
import { splitList } from './fields.ts'
import type { Environment, Fault } from './files.ts'

/** What the configured claims and modes have in common. */
interface Reading {
  emailClaims: readonly string[]
  /** Whether a forward-auth answer speaks by its headers, so that its body is not read. */
  byHeaders: boolean
  /** Those that read claims of other kinds. */
  otherModes: readonly string[]
}

/** Finds the modes that would refuse everybody, since no configured claim is one that they can read. */
export function findClaimConflicts(values: Environment, modes: ReadonlySet<string>): Fault[] {
  const emailClaims = splitList(values.SESSION_EMAIL_CLAIM ?? 'email')
  const subjectClaims = splitList(values.SESSION_SUBJECT_CLAIM)
  const byHeaders = [...emailClaims, ...subjectClaims].some(isHeaderClaim)
  const otherModes = [...modes].filter((mode) => mode !== 'forward-auth' && mode !== '')
  const reading = { emailClaims, byHeaders, otherModes }
  if (byHeaders && !modes.has('forward-auth')) return [...headerFaults({ emailClaims, subjectClaims })]
  return [...emailFaults(values, reading), ...verifiedFaults(values, modes, reading)]
}

function headerFaults({ emailClaims, subjectClaims }: Record<'emailClaims' | 'subjectClaims', string[]>) {
  const message = 'has a header: name, which only SESSION_MODE=forward-auth reads'
  return [
    ...(emailClaims.some(isHeaderClaim) ? [{ name: 'SESSION_EMAIL_CLAIM', message }] : []),
    ...(subjectClaims.some(isHeaderClaim) ? [{ name: 'SESSION_SUBJECT_CLAIM', message }] : []),
  ]
}

function emailFaults(values: Environment, { emailClaims, byHeaders, otherModes }: Reading): Fault[] {
  const name = 'SESSION_EMAIL_CLAIM'
  const needsEmail = values.WIDGET_API_KEY !== undefined || values.WIDGET_API_KEY_FILE !== undefined
  if (needsEmail && byHeaders && !emailClaims.some(isHeaderClaim))
    return [
      { name, message: 'needs a header: name as SESSION_SUBJECT_CLAIM has, since then no body is read' },
    ]
  if (otherModes.length > 0 && emailClaims.every(isHeaderClaim))
    return [{ name, message: 'needs a name without header: for the modes other than forward-auth' }]
  return []
}

/** Headers say nothing about verification, and `email_verified` speaks for a claim named `email` alone. */
function verifiedFaults(
  values: Environment,
  modes: ReadonlySet<string>,
  { emailClaims, byHeaders, otherModes }: Reading,
): Fault[] {
  if (values.SESSION_REQUIRE_VERIFIED_EMAIL !== 'true') return []
  const readsClaims =
    otherModes.some((mode) => mode !== 'trusted-header') || (modes.has('forward-auth') && !byHeaders)
  const name = 'SESSION_REQUIRE_VERIFIED_EMAIL'
  if (!readsClaims)
    return [{ name, message: `refuses everybody with SESSION_MODE=${[...modes].filter(Boolean).join(',')}` }]
  if (emailClaims.some((claim) => claim.split('.').at(-1) === 'email')) return []
  return [{ name, message: 'refuses everybody: email_verified speaks for a claim named email alone' }]
}
