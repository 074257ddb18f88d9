import { isHeaderClaim } from '../session/claims.ts'
import { splitList } from './lists.ts'
import type { Environment, Fault } from './files.ts'

/** What the configured claims and modes have in common. */
interface Reading {
  emailClaims: readonly string[]
  /** Whether the claims are headers of a forward-auth answer, whose body is then not read. */
  byHeaders: boolean
  /** The modes that read other claims. */
  otherModes: readonly string[]
}

/** Finds the modes that would refuse every user, because they can read none of the configured claims. */
export function findClaimConflicts(values: Environment, modes: ReadonlySet<string>): Fault[] {
  const emailClaims = splitList(values.SESSION_EMAIL_CLAIM ?? 'email')
  const subjectClaims = splitList(values.SESSION_SUBJECT_CLAIM)
  const identifierClaims = splitList(values.RAI_USER_IDENTIFIERS).map((pair) => pair.replace(/^[^=]*=/, ''))
  const byHeaders = [...emailClaims, ...subjectClaims, ...identifierClaims].some(isHeaderClaim)
  const otherModes = [...modes].filter((mode) => mode !== 'forward-auth' && mode !== '')
  const reading = { emailClaims, byHeaders, otherModes }
  if (byHeaders && !modes.has('forward-auth'))
    return headerFaults({
      SESSION_EMAIL_CLAIM: emailClaims,
      SESSION_SUBJECT_CLAIM: subjectClaims,
      RAI_USER_IDENTIFIERS: identifierClaims,
    })
  return [...emailFaults(values, reading), ...verifiedFaults(values, modes, reading)]
}

function headerFaults(claimsByName: Record<string, string[]>): Fault[] {
  const message = 'names a header (header:NAME), which only SESSION_MODE=forward-auth can read'
  const names = Object.keys(claimsByName).filter((name) => claimsByName[name]!.some(isHeaderClaim))
  return names.map((name) => ({ name, message }))
}

function emailFaults(values: Environment, { emailClaims, byHeaders, otherModes }: Reading): Fault[] {
  const name = 'SESSION_EMAIL_CLAIM'
  const needsEmail = values.WIDGET_API_KEY !== undefined || values.WIDGET_API_KEY_FILE !== undefined
  if (needsEmail && byHeaders && !emailClaims.some(isHeaderClaim))
    return [
      {
        name,
        message: 'must name a header (header:NAME) like the other claims, because the body is then not read',
      },
    ]
  if (otherModes.length > 0 && emailClaims.every(isHeaderClaim))
    return [
      { name, message: 'must also name a claim without header:, for the modes other than forward-auth' },
    ]
  return []
}

/** Headers say nothing about verification, and `email_verified` counts only for a claim named `email`. */
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
    return [{ name, message: `refuses every user with SESSION_MODE=${[...modes].filter(Boolean).join(',')}` }]
  if (emailClaims.some((claim) => claim.split('.').at(-1) === 'email')) return []
  return [{ name, message: 'refuses every user, because email_verified counts only for a claim named email' }]
}
