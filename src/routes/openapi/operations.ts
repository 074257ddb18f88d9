import { describeAnswer, refusalsOfAnyRoute, refusalsOfTokenRoutes, unchanged } from './responses.ts'

// The operations in `/openapi.json`. `schema` names one of its schemas.

interface TokenRoute {
  operationId: string
  summary: string
  schema: string
  parameters?: readonly object[]
}

/** `POST` by a script of an allowed page, with a session. */
export function describeTokenRoute({ schema, parameters = [], ...texts }: TokenRoute) {
  const token = describeAnswer('A token for the user of the session.', 'application/json', schema, [
    'RateLimit-Policy',
    'RateLimit',
  ])
  return {
    post: {
      ...texts,
      parameters: [fresh, ...parameters],
      security: [{ sessionToken: [] }, { sessionCookie: [] }],
      responses: { 200: token, ...refusalsOfTokenRoutes },
    },
  }
}

const fresh = {
  name: 'Cache-Control',
  in: 'header',
  description: '`no-cache` asks for a token that the vendor mints now.',
  schema: { type: 'string' },
}

/** `GET` of a file, open to anyone. Without a schema, its text is opaque. */
export function describeFile(operationId: string, summary: string, type: string, schema?: string) {
  const file = describeAnswer(summary, type, schema, ['ETag'])
  return describeOpenRoute(operationId, summary, { 200: file, 304: unchanged })
}

/** `GET` of a probe, open to anyone. */
export function describeProbe(operationId: string, summary: string) {
  const fine = describeAnswer('Yes.', 'application/json', 'Probe')
  return describeOpenRoute(operationId, summary, { 200: fine })
}

function describeOpenRoute(operationId: string, summary: string, answers: object) {
  return { get: { operationId, summary, security: [], responses: { ...answers, ...refusalsOfAnyRoute } } }
}
