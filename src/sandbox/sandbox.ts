import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express'
import { createAccessKeyToken } from './access-key.ts'
import { createValidation } from './access-session.ts'
import { createControl } from './control.ts'
import { sampleCredentials, type SandboxCredentials } from './credentials.ts'
import { createFaults } from './faults.ts'
import { createRequestList, type ReceivedRequest } from './requests.ts'
import { createSignin } from './signin.ts'
import { createTokens, type SandboxTokens } from './tokens.ts'
import { createWidgets } from './widgets.ts'

const signinPath = '/widget/:communityId/signin'
const accessKeyPath = '/v2/api/widget-access-keys/token'
const validatePath = '/v2/api/widget-access-keys/validate'

export interface SandboxOptions {
  communityId?: string
  apiKeys?: readonly string[]
  accessId?: string
  accessKey?: string
  /** The allowed origins of the access key. Without them, any page may use embed tokens. */
  allowedOrigins?: readonly string[]
  /** Lifetime of the access token that an embed token is exchanged for. Nothing renews it. */
  accessTokenSeconds?: number
  /** Lifetime of a signin token; the vendor's is about five minutes. */
  tokenSeconds?: number
}

export interface Sandbox {
  app: Express
  /** The accepted credentials, live: add or delete an API key to rehearse a rotation. */
  credentials: SandboxCredentials
  /** What came to the token routes, oldest first, live; set `.length = 0` to clear it. */
  requests: ReceivedRequest[]
  faults: Pick<ReturnType<typeof createFaults>, 'set' | 'current'>
  /** `expire(email?)` ends outstanding tokens now; `mint` and `verify` create and check one. */
  tokens: SandboxTokens
}

/**
 * The vendor's stand-in: signin, Access Key Embed, widget pages, and the switches under `/sandbox`.
 * Mount `app` on any server of its own origin; without options it accepts `sampleCredentials`.
 */
export function createSandbox(options: SandboxOptions = {}): Sandbox {
  const credentials = acceptedCredentials(options)
  const tokens = createTokens(options.tokenSeconds ?? 300)
  const faults = createFaults()
  const requests = createRequestList()
  const app = express().disable('x-powered-by').enable('case sensitive routing').enable('strict routing')
  const readBody = express.raw({ type: () => true, limit: '64kb' })

  app.all([signinPath, accessKeyPath], readBody, requests.recorded, requirePost, faults.struck)
  app.post(signinPath, createSignin(credentials, tokens))
  app.post(accessKeyPath, createAccessKeyToken(credentials, tokens))
  app.use(validatePath, createValidation(credentials, tokens))
  app.all('/sandbox/redirected', requests.recorded, (_request, response) => void response.sendStatus(204))
  app.use('/sandbox', createControl({ faults, requests, tokens, credentials }))
  app.use(createWidgets(credentials, tokens))
  app.use((_request, response) => {
    response.status(404).json({ error: 'not_found', message: 'The sandbox has no such address.' })
  })
  app.use(answerError)
  return { app, credentials, requests: requests.received, faults, tokens }
}

function acceptedCredentials(options: SandboxOptions): SandboxCredentials {
  return {
    communityId: options.communityId ?? sampleCredentials.communityId,
    apiKeys: new Set(options.apiKeys ?? [sampleCredentials.apiKey]),
    accessId: options.accessId ?? sampleCredentials.accessId,
    accessKey: options.accessKey ?? sampleCredentials.accessKey,
    accessKeyRevoked: false,
    allowedOrigins: new Set(options.allowedOrigins),
    accessTokenSeconds: options.accessTokenSeconds ?? 300,
  }
}

const requirePost: RequestHandler = (request, response, next) => {
  if (request.method === 'POST') next()
  else response.status(405).set('Allow', 'POST').json({ error: 'method_wrong', message: 'Use POST.' })
}

const answerError: ErrorRequestHandler = (error: { status?: number }, _request, response, next) => {
  if (response.headersSent) {
    next(error)
    return
  }
  const status = error.status ?? 500
  response.status(status).json({ error: 'request_malformed', message: 'The request could not be read.' })
}
