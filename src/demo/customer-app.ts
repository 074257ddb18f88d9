import { join } from 'node:path'
import express, { type ErrorRequestHandler, type RequestHandler, type Response, Router } from 'express'
import { z } from 'zod'
import { requireTrustedOrigin } from '../http/cross-origin.ts'
import { dataHeaders, neverStore } from '../http/headers.ts'
import { writeProblem } from '../http/write-problem.ts'
import { Problem } from '../problems.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import { createAccounts, type User, users } from './accounts.ts'
import type { createOutcomes } from './outcomes.ts'

const assets = join(import.meta.dirname, '../../public/demo')
const signInRequest = z.strictObject({ user: z.enum(users.map((user) => user.id)) })

/**
 * A customer's app in miniature, for `/demo` on the broker's origin: sign-in and sign-out, the "who am I"
 * endpoint that the broker asks, and switches that make the sandbox end a token or fail once.
 */
export function createDemoApp(sandbox: Sandbox, outcomes: ReturnType<typeof createOutcomes>): Router {
  const accounts = createAccounts()
  const router = Router({ caseSensitive: true, strict: true })

  const requireUser: RequestHandler = (request, response, next) => {
    response.locals.user = accounts.current(request)
    if (response.locals.user === undefined) throw new Problem('session_missing')
    next()
  }

  router.use(dataHeaders, neverStore)
  router.use(express.static(assets, { index: false, redirect: false, cacheControl: false }))
  router.get('/me', requireUser, (_request, response) => void response.json(claimsOf(userOf(response))))
  router.get(
    '/accounts',
    (request, response) => void response.json({ users, current: accounts.current(request) }),
  )

  router.get('/outcomes/:requestId', outcomes.answer)

  router.post(
    '/*order',
    requireTrustedOrigin({ allowed: new Set(), own: new Set() }, () => true),
    express.json({ limit: '1kb' }),
  )
  router.post('/sign-in', (request, response) => {
    const user = parseUser(request.body)
    accounts.signIn(request, response, user)
    response.json(user)
  })
  router.post('/sign-out', (request, response) => {
    accounts.signOut(request, response)
    response.sendStatus(204)
  })
  router.post('/expire', requireUser, (_request, response) => {
    sandbox.tokens.expire(userOf(response).email)
    response.sendStatus(204)
  })
  router.post('/fail', requireUser, (_request, response) => {
    sandbox.faults.set('rate-limit')
    sandbox.tokens.expire(userOf(response).email)
    response.sendStatus(204)
  })
  router.use(refuseBadInput)
  router.use(writeProblem)
  return router
}

/** What the body parser and the file server refuse. */
const refuseBadInput: ErrorRequestHandler = (error, _request, _response, next) => {
  const isBadInput = !(error instanceof Problem) && error.status < 500
  next(isBadInput ? new Problem('bad_request', { cause: error }) : error)
}

function userOf(response: Response) {
  return response.locals.user as User
}

/** What an app's "who am I" endpoint says; the broker reads `email` and `sub`. */
function claimsOf({ id, name, email }: User) {
  return { sub: id, name, email, email_verified: true }
}

function parseUser(body: unknown): User {
  const parsed = signInRequest.safeParse(body)
  const user = users.find(({ id }) => id === parsed.data?.user)
  if (user === undefined) throw new Problem('bad_request')
  return user
}
