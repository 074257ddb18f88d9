import express, { type Request, type RequestHandler, type Response, Router } from 'express'
import { z } from 'zod'
import type { SandboxCredentials } from './credentials.ts'
import type { SandboxTokens } from './tokens.ts'

const validateRequest = z.object({ embedToken: z.string() })

/**
 * What the vendor's SDK asks from the browser: `POST /v2/api/widget-access-keys/validate` exchanges an embed
 * token for a short-lived access token, which nothing renews. Only pages on the allowed origins of the access
 * key get an answer.
 */
export function createValidation(credentials: SandboxCredentials, tokens: SandboxTokens): Router {
  const router = Router({ caseSensitive: true, strict: true })
  router.use(allowOriginsOf(credentials), express.json({ limit: '16kb' }))
  router.post('/', async (request: Request, response: Response) => {
    const parsed = validateRequest.safeParse(request.body)
    if (!parsed.success) {
      response.status(400).json({ error: 'request_malformed', message: z.prettifyError(parsed.error) })
      return
    }
    const user = await tokens.verify(parsed.data.embedToken)
    if (user?.use !== 'embed') {
      response
        .status(401)
        .json({ error: 'token_refused', message: 'The embed token is wrong or has expired.' })
      return
    }
    const expiresIn = credentials.accessTokenSeconds
    const accessToken = await tokens.mint(user.email, expiresIn, 'access')
    response.json({ data: { accessToken, expiresIn } })
  })
  return router
}

/**
 * The allowed origins of the access key, as the vendor's admin settings list them. Without a list, any origin
 * is allowed.
 */
export function allowOriginsOf({ allowedOrigins }: SandboxCredentials): RequestHandler {
  return (request, response, next) => {
    const origin = request.get('origin')
    response.set({ Vary: 'Origin', 'Cache-Control': 'no-store' })
    if (origin !== undefined && allowedOrigins.size > 0 && !allowedOrigins.has(origin)) {
      const message = 'The access key does not allow this origin.'
      response.status(403).json({ error: 'origin_refused', message })
      return
    }
    if (origin !== undefined) response.set('Access-Control-Allow-Origin', origin)
    if (request.method !== 'OPTIONS') return next()
    response.set({
      'Access-Control-Allow-Methods': 'GET, POST',
      'Access-Control-Allow-Headers': 'Authorization, Content-Type',
    })
    response.sendStatus(204)
  }
}
