import { beforeEach, describe, expect, it } from 'vitest'
import { signSession, startBroker, type RunningBroker } from '../peers/broker.ts'
import { send } from '../peers/exchange.ts'
import { startVendor, type Vendor } from '../peers/vendor.ts'

let vendor: Vendor
let broker: RunningBroker

beforeEach(async () => {
  vendor = await startVendor()
  broker = await startBroker({ WIDGET_BASE_URL: vendor.url, SESSION_JWT_SOURCE: 'cookie:session' })
})

const sameOrigin = { 'sec-fetch-site': 'same-origin' }
const crossOrigin = { origin: 'https://app.example.com', 'sec-fetch-site': 'cross-site' }

/** Posts as the vendor's SDK does to its `auth-url`: it may name the user in a header, and needs `token` in the answer. */
async function post(headers: Record<string, string>, withCookie = true) {
  const cookie: Record<string, string> = withCookie ? { cookie: `session=${await signSession()}` } : {}
  const sent = { email: 'eve@example.com', ...headers, ...cookie }
  const answer = await send(broker.url, { method: 'POST', path: '/widget-token', headers: sent })
  return {
    status: answer.status,
    headers: answer.headers,
    ...(JSON.parse(answer.body) as { token?: string }),
  }
}

describe("The SDK's auth-url at /widget-token", () => {
  it.each([
    ['the same origin', sameOrigin],
    ['an allowed origin', crossOrigin],
  ])('gives a token of the session to %s, whatever email the header names', async (_name, headers) => {
    const { status, token } = await post(headers)
    expect({ status, token }).toEqual({ status: 200, token: expect.any(String) })
    expect(vendor.requests.map(({ headers: { email } }) => email)).toEqual(['ada@example.com'])
  })

  it.each([
    ['the same origin', sameOrigin],
    ['an allowed origin', crossOrigin],
  ])('answers 401 to %s without credentials', async (_name, headers) => {
    expect(await post(headers, false)).toMatchObject({ status: 401, code: 'session_missing' })
    expect(vendor.requests).toEqual([])
  })

  it('answers a foreign origin with 403', async () => {
    const foreign = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
    expect(await post(foreign)).toMatchObject({ status: 403, code: 'origin_not_allowed' })
  })

  it('lets the header email through the preflight of an allowed origin', async () => {
    const headers = {
      origin: 'https://app.example.com',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'email',
    }
    const answer = await send(broker.url, { method: 'OPTIONS', path: '/widget-token', headers })
    expect(answer.headers['access-control-allow-headers']).toMatch(/\bemail\b/i)
    expect(answer.headers['access-control-allow-credentials']).toBe('true')
  })
})
