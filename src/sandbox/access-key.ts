import type { Request, RequestHandler, Response } from 'express'
import { z } from 'zod'
import { sameSecret, type SandboxCredentials } from './credentials.ts'
import { lifetimeUnder } from './faults.ts'
import { entryOf } from './requests.ts'
import type { SandboxTokens } from './tokens.ts'

const embedTokenSeconds = 900

const tokenRequest = z.object({
  accessId: z.string(),
  accessKey: z.string(),
  userIdentifiers: z.record(z.string().startsWith('data-', 'must start with data-'), z.string().min(1)),
})
type TokenRequest = z.infer<typeof tokenRequest>

/**
 * `POST /v2/api/widget-access-keys/token`, the vendor's Access Key Embed: credentials and identifiers in a
 * JSON body; `200 {"data":{"embedToken","expiresIn"}}`. A refusal names what was wrong.
 */
export function createAccessKeyToken(credentials: SandboxCredentials, tokens: SandboxTokens): RequestHandler {
  return async (request: Request, response: Response) => {
    const parsed = tokenRequest.safeParse(parseJson(request.body))
    if (!parsed.success) {
      response.status(400).json({ error: 'request_malformed', message: z.prettifyError(parsed.error) })
      return
    }
    const matches = credentialsMatch(parsed.data, credentials)
    entryOf(response).credential = matches ? 'match' : 'mismatch'
    if (!matches) {
      response
        .status(401)
        .json({ error: 'access_key_wrong', message: 'accessId or accessKey is wrong or revoked.' })
      return
    }
    response.json({ data: await mintEmbedToken(parsed.data, response, tokens) })
  }
}

async function mintEmbedToken({ userIdentifiers }: TokenRequest, response: Response, tokens: SandboxTokens) {
  const entry = entryOf(response)
  entry.email = userIdentifiers['data-email']
  const expiresIn = lifetimeUnder(entry) ?? embedTokenSeconds
  const user = entry.email ?? Object.values(userIdentifiers)[0] ?? 'unknown'
  return { embedToken: await tokens.mint(user, expiresIn, 'embed'), expiresIn }
}

function credentialsMatch(sent: TokenRequest, { accessId, accessKey, accessKeyRevoked }: SandboxCredentials) {
  return !accessKeyRevoked && sent.accessId === accessId && sameSecret(sent.accessKey, accessKey)
}

function parseJson(body: unknown): unknown {
  if (!Buffer.isBuffer(body)) return undefined
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
