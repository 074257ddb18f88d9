import { beforeAll, describe, expect, it } from 'vitest'
import { startBroker, type RunningBroker } from '../peers/broker.ts'
import { send } from '../peers/exchange.ts'

let broker: RunningBroker

beforeAll(async () => {
  broker = await startBroker({ WIDGET_BASE_URL: 'https://widgets.example' })
})

/** What differs from request to request or says nothing about security. */
const passing = new Set([
  'date',
  'connection',
  'keep-alive',
  'x-request-id',
  'content-length',
  'etag',
  'transfer-encoding',
])

const everywhere = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
}
const inert = "default-src 'none';frame-ancestors 'none'"
const data = {
  ...everywhere,
  'content-security-policy': inert,
  'cross-origin-resource-policy': 'same-origin',
}
const script = {
  ...everywhere,
  vary: 'Accept-Encoding',
  'content-security-policy': inert,
  'cross-origin-resource-policy': 'cross-origin',
  'access-control-allow-origin': '*',
  'cache-control': 'public, max-age=300',
  'content-type': 'text/javascript; charset=utf-8',
}
const page = {
  ...everywhere,
  vary: 'Accept-Encoding',
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    'frame-src https://widgets.example',
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join(';'),
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-cache',
  'content-type': 'text/html; charset=utf-8',
}
const json = { 'content-type': 'application/json; charset=utf-8' }
const problem = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' }
const challenge = { 'www-authenticate': 'Bearer realm="widget-token"' }

describe('Every header of an answer', () => {
  it.each([
    ['the page', 'GET', '/', page],
    ['the page script', 'GET', '/page.js', { ...page, 'content-type': 'text/javascript; charset=utf-8' }],
    ['the page style', 'GET', '/page.css', { ...page, 'content-type': 'text/css; charset=utf-8' }],
    ['the bridge', 'GET', '/bridge.js', script],
    [
      'the page data',
      'GET',
      '/config.json',
      { ...data, ...json, 'cache-control': 'no-cache', vary: 'Accept-Encoding' },
    ],
    ['a probe', 'GET', '/healthz', { ...data, ...json, 'cache-control': 'no-store' }],
    ['an unknown path', 'GET', '/nowhere', { ...data, ...problem }],
    ['a refused method', 'POST', '/healthz', { ...data, ...problem, allow: 'GET, HEAD' }],
    ['a missing session', 'POST', '/widget-token', { ...data, ...problem, ...challenge, vary: 'Origin' }],
  ])('of %s is intended', async (_what, method, path, expected) => {
    const { headers } = await send(broker.port, { method, path })
    const meant = Object.entries(headers).filter(
      ([name]) => !passing.has(name) && !name.startsWith('ratelimit'),
    )
    expect(Object.fromEntries(meant)).toEqual(expected)
  })
})
