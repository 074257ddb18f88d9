import express, { type RequestHandler, Router } from 'express'
import { z } from 'zod'
import { type createFaults, faultRequest } from './faults.ts'
import type { createRequestList } from './requests.ts'
import type { SandboxCredentials } from './credentials.ts'
import type { SandboxTokens } from './tokens.ts'

const loopbackOrigin = /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/
const accessKeyRequest = z.strictObject({ revoked: z.boolean() })
const expireRequest = z.strictObject({ email: z.string().min(3).optional() })

interface Controlled {
  faults: ReturnType<typeof createFaults>
  requests: ReturnType<typeof createRequestList>
  tokens: SandboxTokens
  credentials: SandboxCredentials
}

/** The switches under `/sandbox`, for tests and demos: faults, the received requests, tokens that end now. */
export function createControl({ faults, requests, tokens, credentials }: Controlled): Router {
  const router = Router({ caseSensitive: true, strict: true })
  router.use(requireLoopbackOrigin, express.json({ limit: '4kb' }))

  router.get('/faults', (_request, response) => void response.json(faults.current()))
  router.post('/faults', requireBody(faultRequest), (_request, response) => {
    const { fault, count } = response.locals.body as z.infer<typeof faultRequest>
    faults.set(fault, count)
    response.json(faults.current())
  })

  router.get('/requests', (_request, response) => void response.json({ requests: requests.received }))
  router.delete('/requests', (_request, response) => {
    requests.received.length = 0
    response.sendStatus(204)
  })

  router.post('/expire', requireBody(expireRequest), (_request, response) => {
    tokens.expire((response.locals.body as z.infer<typeof expireRequest>).email)
    response.sendStatus(204)
  })
  router.post('/access-key', requireBody(accessKeyRequest), (_request, response) => {
    const { revoked } = response.locals.body as z.infer<typeof accessKeyRequest>
    credentials.accessKeyRevoked = revoked
    response.json({ revoked })
  })
  return router
}

/** A page of another site must not control a sandbox on its visitor's machine. */
const requireLoopbackOrigin: RequestHandler = (request, response, next) => {
  const origin = request.get('origin')
  if (origin !== undefined && !loopbackOrigin.test(origin)) {
    response.status(403).json({ error: 'origin_refused', message: 'Only pages on this machine may use it.' })
    return
  }
  if (origin !== undefined) response.set({ 'Access-Control-Allow-Origin': origin, Vary: 'Origin' })
  if (request.method === 'OPTIONS') {
    response.set({
      'Access-Control-Allow-Methods': 'GET, POST, DELETE',
      'Access-Control-Allow-Headers': 'Content-Type',
    })
    response.sendStatus(204)
  } else next()
}

function requireBody(schema: z.ZodType): RequestHandler {
  return (request, response, next) => {
    const parsed = schema.safeParse(request.body)
    if (!parsed.success) {
      const hint = request.is('json') === false ? 'Send it with Content-Type: application/json. ' : ''
      response.status(400).json({ error: 'request_malformed', message: hint + z.prettifyError(parsed.error) })
      return
    }
    response.locals.body = parsed.data
    next()
  }
}
