import createClient from 'openapi-fetch'
import type { components, paths } from './schema.js'

type Problem = components['schemas']['Problem']

/** What a customer's program does with the types that a public generator made of `/openapi.json`. */
export async function askToken(baseUrl: string, authorization?: string): Promise<string> {
  const client = createClient<paths>({ baseUrl, headers: { authorization } })
  const { data, error } = await client.POST('/widget-token', {
    params: { query: { widget: 'store-widget' } },
  })
  return data === undefined ? advise(error) : `${data.subject} has a token of ${data.token.length} characters`
}

function advise(problem: Problem): string {
  switch (problem.code) {
    case 'session_missing':
    case 'session_invalid':
      return `sign in (${problem.status} ${problem.code})`
    default:
      return problem.detail
  }
}

// The types know each code and each member, and no other.
// @ts-expect-error
export const code: Problem['code'] = 'no_such_code'
// @ts-expect-error
export const member = (token: components['schemas']['WidgetToken']) => token.noSuchMember
