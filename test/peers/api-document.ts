import { Ajv2020 } from 'ajv/dist/2020.js'
import { send, type Answer } from './exchange.ts'

interface Reference {
  $ref?: string
}

interface ResponseObject {
  headers: Record<string, Reference & { required?: boolean }>
  content?: Record<string, { schema: object }>
}

interface Operation {
  operationId: string
  responses: Record<string, ResponseObject & Reference>
}

export interface ApiDocument {
  servers: { url: string }[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, object> }
}

/** The description that a broker gives of itself. */
export async function readApi(origin: string): Promise<ApiDocument> {
  const { body } = await send(origin, { path: '/openapi.json' })
  return JSON.parse(body) as ApiDocument
}

/** What in an answer differs from the description of its route. */
export function compareAnswer(api: ApiDocument, route: string, answer: Answer): string[] {
  const [method = '', path = ''] = route.split(' ')
  const described = api.paths[path]?.[method.toLowerCase()]?.responses[answer.status]
  if (described === undefined) return [`${route} has no ${answer.status}`]
  const { headers, content = {} } = follow(api, described)
  const missing = Object.entries(headers)
    .filter(([, header]) => follow(api, header).required)
    .filter(([name]) => answer.headers[name.toLowerCase()] === undefined)
  return [...missing.map(([name]) => `no ${name}`), ...compareBody(api, content, answer)]
}

function compareBody(
  api: ApiDocument,
  content: NonNullable<ResponseObject['content']>,
  { headers, body }: Answer,
): string[] {
  const type = headers['content-type']?.split(';')[0] ?? 'none'
  const expected = Object.keys(content)[0] ?? 'none'
  if (type !== expected) return [`Content-Type is ${type}, not ${expected}`]
  if (type === 'none') return body === '' ? [] : ['a body']
  const { schema } = content[type]!
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  // The schemas refer to each other by their place in the document.
  const check = ajv.compile({ ...schema, components: closed(api.components) })
  check(type.endsWith('json') ? JSON.parse(body) : body)
  return (check.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
}

/** Clients must accept members that are not described, but we have none. */
function closed({ schemas }: ApiDocument['components']) {
  const entries = Object.entries(schemas).map(([name, schema]) => [
    name,
    { additionalProperties: false, ...schema },
  ])
  return { schemas: Object.fromEntries(entries) as Record<string, object> }
}

function follow<Value extends object>(api: ApiDocument, value: Value & Reference): Value {
  const steps = value.$ref?.split('/').slice(1) ?? []
  if (steps.length === 0) return value
  let found: unknown = api
  for (const step of steps) found = (found as Record<string, unknown>)[step]
  return found as Value
}
