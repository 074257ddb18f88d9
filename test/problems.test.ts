import { createExactRouter } from '../src/http/router.ts'
import { createServer } from 'node:http'
import { beforeAll, describe, expect, it } from 'vitest'
import { createLogger } from '../src/telemetry/logger.ts'
import { logRequests } from '../src/http/request-log.ts'
import { sendProblem, writeProblem } from '../src/http/write-problem.ts'
import { Problem, problemDocument, type ProblemCode } from '../src/problems.ts'
import { send } from './peers/exchange.ts'
import { listen } from './peers/listen.ts'
import { accessLineOf, expectProblem } from './peers/promises.ts'

// The table of the contract.
const contract: Record<ProblemCode, number> = {
  bad_request: 400,
  session_missing: 401,
  session_invalid: 401,
  origin_not_allowed: 403,
  identity_unusable: 403,
  email_unverified: 403,
  email_domain_not_allowed: 403,
  not_found: 404,
  method_not_allowed: 405,
  payload_too_large: 413,
  unsupported_media_type: 415,
  rate_limited: 429,
  internal: 500,
  vendor_rejected_credentials: 500,
  vendor_rejected_request: 500,
  vendor_bad_response: 500,
  vendor_unavailable: 503,
  vendor_timeout: 503,
  vendor_rate_limited: 503,
  session_source_unavailable: 503,
  overloaded: 503,
  shutting_down: 503,
}
const codes = Object.entries(contract) as [ProblemCode, number][]

describe('A problem', () => {
  it.each(codes)('%s has the status %i and a fixed text', (code, status) => {
    expect(new Problem(code)).toMatchObject({ code, status, message: code })
    const document = JSON.parse(problemDocument(code, 'id-1'))
    expect(document).toMatchObject({ type: `urn:returning-ai-token-broker:${code}`, status, code })
    expect(document.detail).toMatch(/^[A-Z].{10,}\.$/)
  })

  it('says when to retry if a retry helps', () => {
    const withRetryAfter = codes.filter(([code]) => 'retry-after' in new Problem(code).headers)
    const retryable = codes.filter(([, status]) => status === 429 || status === 503)
    expect(withRetryAfter).toEqual(retryable)
    expect(new Problem('rate_limited', { retryAfterSeconds: 7 }).headers['retry-after']).toBe('7')
  })
})

describe('The last error handler', () => {
  const lines: string[] = []
  const logger = createLogger({ level: 'info', destination: { write: (line) => lines.push(line) } })
  const log = { logLines: () => lines.map((line) => JSON.parse(line)) }
  const secret = 'planted-secret'
  const trap = `${secret}\n    at ${secret} (file:///planted-secret.js:1:1)`

  const app = createExactRouter()
  app.use(logRequests(logger))
  app.get('/throws', () => {
    throw new Error(trap)
  })
  app.get('/rejects', () => Promise.reject(new TypeError(trap)))
  app.get('/passes-on', (_request, _response, next) => next(new RangeError(trap)))
  app.get('/rejects-text', async () => {
    await Promise.reject(secret) // oxlint-disable-line
  })
  app.get('/lost', (_request, response) => {
    sendProblem(response, new Problem('vendor_timeout', { cause: new Error(trap) }))
  })
  app.get('/begun', (_request, response) => {
    response.write('half of an answer')
    throw new Error(trap)
  })
  app.use(writeProblem)
  const server = createServer(app)
  let origin: string

  beforeAll(async () => {
    origin = await listen(server)
  })

  it.each([
    ['/throws', 'Error'],
    ['/rejects', 'TypeError'],
    ['/passes-on', 'RangeError'],
    ['/rejects-text', 'string'],
  ])(
    'turns an error of %s into an internal problem, and logs where it was thrown',
    async (path, errorName) => {
      const answer = await send(origin, { path })
      expectProblem(answer, 500, 'internal')
      expect(JSON.stringify(answer)).not.toContain(secret)
      const line = await accessLineOf(log, answer.headers['x-request-id'])
      expect(line).toMatchObject({ level: 'error', status: 500, code: 'internal', errorName })
      const [frame = 'at problems.test.ts:1:1'] = line.stack as string[]
      expect(frame).toMatch(/^at .*problems\.test\.ts:\d+:\d+\)?$/)
      expect(lines.join('')).not.toContain(secret)
    },
  )

  it('closes the connection of an answer that has begun, so that half an answer is not taken for a whole one', async () => {
    const begun = send(origin, { path: '/begun', headers: { 'x-request-id': 'begun' } })
    await expect(begun).rejects.toThrow(/aborted|reset|hang up|terminated/i)
    expect(await accessLineOf(log, 'begun')).toMatchObject({ route: '/begun', status: 499 })
  })

  it('does not show the cause of a known problem', async () => {
    expectProblem(await send(origin, { path: '/lost' }), 503, 'vendor_timeout')
    expect(lines.join('')).not.toContain(secret)
  })
})
