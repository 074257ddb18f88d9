import type { Request, RequestHandler, Response } from 'express'
import { sameSecret, type SandboxCredentials } from './credentials.ts'
import { lifetimeUnder } from './faults.ts'
import { entryOf } from './requests.ts'
import type { SandboxTokens } from './tokens.ts'

const plainEmail = /^[^\s@,;<>"\u0080-\uffff]{1,64}@[A-Za-z0-9.-]{1,190}$/

interface Check {
  status: number
  error: string
  message: string
  holds(request: Request): boolean
}

/**
 * `POST /widget/:communityId/signin` as the vendor documents it: the key and the user's email in headers,
 * JSON as content type, no body needed; `200 {"token"}`. A refusal names what was wrong.
 */
export function createSignin(credentials: SandboxCredentials, tokens: SandboxTokens): RequestHandler {
  const checks = signinChecks(credentials)

  return async (request: Request, response: Response) => {
    entryOf(response).credential = keyVerdict(request, credentials)
    const failed = checks.find((check) => !check.holds(request))
    if (failed) {
      response.status(failed.status).json({ error: failed.error, message: failed.message })
      return
    }
    response.json({ token: await tokens.mint(only(request, 'email')!, lifetimeUnder(entryOf(response))) })
  }
}

function signinChecks(credentials: SandboxCredentials): Check[] {
  return [
    {
      status: 404,
      error: 'community_unknown',
      message: 'The community id in the path is not the one of this sandbox.',
      holds: (request) => request.params.communityId === credentials.communityId,
    },
    {
      status: 401,
      error: 'api_key_missing',
      message: 'Send the widget API key once, in the header returningai-api-key.',
      holds: (request) => only(request, 'returningai-api-key') !== undefined,
    },
    {
      status: 401,
      error: 'api_key_wrong',
      message: 'The key in returningai-api-key is not one of this sandbox.',
      holds: (request) => keyVerdict(request, credentials) === 'match',
    },
    {
      status: 415,
      error: 'content_type_wrong',
      message: 'Send Content-Type: application/json.',
      holds: (request) => /^application\/json\s*(;|$)/i.test(request.get('content-type') ?? ''),
    },
    {
      status: 400,
      error: 'email_missing',
      message: "Send the user's email once, in the header email.",
      holds: (request) => Boolean(only(request, 'email')),
    },
    {
      status: 400,
      error: 'email_malformed',
      message: 'The header email does not hold one plain email address.',
      holds: (request) => plainEmail.test(only(request, 'email') ?? ''),
    },
  ]
}

function keyVerdict(request: Request, { apiKeys }: SandboxCredentials) {
  const key = only(request, 'returningai-api-key')
  if (key === undefined) return 'absent'
  return [...apiKeys].some((known) => sameSecret(key, known)) ? 'match' : 'mismatch'
}

/** The value of a header that came exactly once. */
function only(request: Request, name: string) {
  const values = request.headersDistinct[name]
  return values?.length === 1 ? values[0] : undefined
}
