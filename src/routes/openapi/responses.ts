import { problemCodes, refusalOf, type ProblemCode } from '../../problems.ts'

// The answers in `/openapi.json`: headers, refusals by status, and what refers to them.

/** Codes that any request may get. */
const anywhere: readonly ProblemCode[] = [
  'bad_request',
  'not_found',
  'method_not_allowed',
  'internal',
  'shutting_down',
]

/** With these, the HTTP parser answers `bad_request` before a route is known. */
const parserStatuses = [408, 413, 417, 431]

export const headers = {
  'X-Request-Id': describeHeader('The id under which the log has this request.'),
  'Retry-After': describeHeader('Whole seconds until a retry makes sense.', 'integer'),
  'WWW-Authenticate': describeHeader('The challenge of RFC 6750.'),
  Allow: describeHeader('The methods that the path has.'),
  ETag: describeHeader('For `If-None-Match`.'),
  'RateLimit-Policy': { ...describeHeader('The limit of this user.'), required: false },
  RateLimit: { ...describeHeader('What is left of the limit.'), required: false },
}

type HeaderName = keyof typeof headers

const headersOfStatus: Record<number, HeaderName[]> = {
  401: ['WWW-Authenticate'],
  405: ['Allow'],
  429: ['Retry-After', 'RateLimit-Policy', 'RateLimit'],
  503: ['Retry-After'],
}

const inAnyRoute = describeRefusals('Refusal', anywhere)
const inTokenRoutes = describeRefusals('TokenRefusal', problemCodes)

/** The refusals by name, and for an operation by status. */
export const refusals = { ...inAnyRoute.named, ...inTokenRoutes.named }
export const refusalsOfAnyRoute = inAnyRoute.byStatus
export const refusalsOfTokenRoutes = inTokenRoutes.byStatus

/** A body that is described under `schemas`, or an opaque one. */
export function describeAnswer(description: string, type: string, schema?: string, names: HeaderName[] = []) {
  return {
    description,
    headers: referToHeaders(names),
    content: { [type]: { schema: schema === undefined ? { type: 'string' } : refer('schemas', schema) } },
  }
}

export const unchanged = {
  description: 'Unchanged, for `If-None-Match`.',
  headers: referToHeaders(['ETag']),
}

function describeHeader(description: string, type = 'string') {
  return { description, required: true, schema: { type } }
}

function referToHeaders(names: readonly HeaderName[]) {
  return Object.fromEntries(['X-Request-Id', ...names].map((name) => [name, refer('headers', name)]))
}

function refer(kind: 'headers' | 'responses' | 'schemas', name: string) {
  return { $ref: `#/components/${kind}/${name}` }
}

function describeRefusals(prefix: string, codes: readonly ProblemCode[]) {
  const statuses = new Set([...codes.map((code) => refusalOf(code).status), ...parserStatuses])
  const all = [...statuses].map((status) => ({ status, name: `${prefix}${status}` }))
  return {
    named: Object.fromEntries(all.map(({ status, name }) => [name, describeRefusal(status, codes)])),
    byStatus: Object.fromEntries(all.map(({ status, name }) => [status, refer('responses', name)])),
  }
}

function describeRefusal(status: number, codes: readonly ProblemCode[]) {
  const ofParser: ProblemCode[] = parserStatuses.includes(status) ? ['bad_request'] : []
  const found = [...codes.filter((code) => refusalOf(code).status === status), ...ofParser]
  const narrowed = {
    type: 'object',
    properties: { status: { const: status }, code: { enum: found } },
  }
  return {
    description: found.map((code) => `\`${code}\`: ${refusalOf(code).detail}`).join('\n\n'),
    headers: referToHeaders(headersOfStatus[status] ?? []),
    content: {
      'application/problem+json': { schema: { allOf: [refer('schemas', 'Problem'), narrowed] } },
    },
  }
}
