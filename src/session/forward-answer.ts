import type { OutboundAnswer } from '../outbound/exchange.ts'
import { toMonotonic } from '../lib/clock.ts'
import { Problem } from '../problems.ts'
import type { Logger } from '../telemetry/logger.ts'
import { parseSourceJson } from './ask-source.ts'
import { findClaim, headerOfClaim, isHeaderClaim, type Claims, type VerifiedClaims } from './claims.ts'
import { sessionInvalid, sourceUnavailable } from './credential.ts'
import { createFieldsNotice } from './fields-notice.ts'
import { claimsOf, namesUser, type ClaimNames } from './identity.ts'

interface AnswerOptions {
  identity: ClaimNames
  /** Whether the claims are headers. Then any 2xx may be a session, and its body is not read. */
  byHeaders: boolean
  logger: Logger
}

/**
 * The statuses by which apps and sign-in proxies say that nobody is signed in: a refusal, or a redirect to a
 * sign-in page.
 */
const signedOut = new Set([401, 403, 302, 303, 307])
const moved = new Set([301, 308])

/** Reads whose session it is. Throws 401 if nobody is signed in, and 503 for an unclear answer. */
export function createAnswerReader({ identity, byHeaders, logger }: AnswerOptions) {
  const warnOfFields = createFieldsNotice(logger, 'answer_without_user', 'An answer of SESSION_FORWARD_URL')

  return function readAnswer(answer: OutboundAnswer): VerifiedClaims {
    requireVerdict(answer.status, byHeaders)
    const verified = byHeaders ? readHeaders(answer, identity) : readJson(answer)
    if (namesUser(verified, identity)) return verified
    warnOfFields(verified.claims)
    throw sessionInvalid('answer_without_user')
  }
}

function requireVerdict(status: number, byHeaders: boolean): void {
  if (signedOut.has(status)) throw sessionInvalid(`answer_status_${status}`)
  if (moved.has(status)) throw sourceUnavailable('answer_moved')
  const isGood = byHeaders ? status >= 200 && status < 300 : status === 200
  if (!isGood) throw sourceUnavailable(`answer_status_${status}`)
}

/** Azure's `/.auth/me` answers with a list of claims. An answer without names has no claims. */
function readJson({ body }: OutboundAnswer): VerifiedClaims {
  const answer = parseSourceJson(body)
  const claims = typeof answer === 'object' && answer !== null ? (answer as Claims) : {}
  return { claims, expiresAt: readExpiry(claims) }
}

/** The expiry of the session, if the app's answer has one, in the form of a JWT's `exp`. */
function readExpiry({ exp }: Claims): number | undefined {
  return typeof exp === 'number' ? toMonotonic(exp) : undefined
}

function readHeaders({ headers }: OutboundAnswer, identity: ClaimNames): VerifiedClaims {
  const keys = claimsOf(identity).filter(isHeaderClaim).map(headerOfClaim)
  const verified = {
    claims: {},
    headers: Object.fromEntries(keys.map((key) => [key, toClaim(headers[key])])),
  }
  // The email must not stand for a user id that is ambiguous.
  if (Array.isArray(findClaim(verified, identity.subjectClaims)?.value))
    throw new Problem('identity_unusable', { diagnosis: { outcome: 'subject_list' } })
  return verified
}

/**
 * In a list, or a header that came twice, one value may be the user's own. It stays a list, which is not a
 * valid claim.
 */
function toClaim(value: string | string[] | undefined): string | string[] | undefined {
  if (typeof value !== 'string') return value
  return value.includes(',') ? value.split(',') : value || undefined
}
