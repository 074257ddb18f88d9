import { beforeAll, describe, expect, it } from 'vitest'
import { startBroker, type RunningBroker } from '../peers/broker.ts'
import { answerJson, startEndpoint, type Endpoint } from '../peers/endpoint.ts'
import { accessLineOf } from '../peers/promises.ts'
import { startVendor, type Vendor } from '../peers/vendor.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const traceparent = `00-${traceId}-00f067aa0ba902b7-01`
let vendor: Vendor
let source: Endpoint
let byForwardAuth: RunningBroker
let byIntrospection: RunningBroker

beforeAll(async () => {
  vendor = await startVendor()
  const claims = { active: true, sub: 'ada', email: 'ada@example.com' }
  source = await startEndpoint(answerJson(claims))
  const settings = { WIDGET_BASE_URL: vendor.url, SESSION_CACHE_SECONDS: '0', SESSION_JWT_SECRET: '' }
  byForwardAuth = await startBroker({
    ...settings,
    SESSION_MODE: 'forward-auth',
    SESSION_FORWARD_URL: `${source.origin}/me`,
  })
  byIntrospection = await startBroker({
    ...settings,
    SESSION_MODE: 'introspection',
    SESSION_INTROSPECTION_URL: `${source.origin}/introspect`,
    SESSION_INTROSPECTION_CLIENT_ID: 'token-broker',
    SESSION_INTROSPECTION_CLIENT_SECRET: 'client-secret',
  })
})

/** What the source and the log get of a request with this header. */
async function trace(broker: RunningBroker, header: string) {
  source.received.length = 0
  const answer = await broker.askToken({ authorization: 'Bearer opaque-token', traceparent: header })
  expect(answer.status).toBe(200)
  const line = await accessLineOf(broker, answer.headers.get('x-request-id'))
  return { atSource: source.received[0]?.headers.traceparent, traceId: line.traceId }
}

describe('The trace of a caller', () => {
  it('is in the log, and is copied to a session source with forward-auth', async () => {
    expect(await trace(byForwardAuth, traceparent)).toEqual({ atSource: traceparent, traceId })
  })

  it('is copied to a session source with introspection', async () => {
    expect(await trace(byIntrospection, traceparent)).toEqual({ atSource: traceparent, traceId })
  })

  it('never reaches the vendor', async () => {
    await trace(byForwardAuth, traceparent)
    expect(vendor.requests.length).toBeGreaterThan(0)
    expect(JSON.stringify(vendor.requests)).not.toContain(traceId)
  })

  it.each([
    ['of a later version', `01-${traceId}-00f067aa0ba902b7-01-more`],
    ['without the sampled flag', `00-${traceId}-00f067aa0ba902b7-00`],
  ])('is taken if it is %s', async (_what, header) => {
    expect(await trace(byForwardAuth, header)).toEqual({ atSource: header, traceId })
  })

  it.each([
    ['an id of zeros', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`],
    ['a parent of zeros', `00-${traceId}-${'0'.repeat(16)}-01`],
    ['the version that does not exist', `ff-${traceId}-00f067aa0ba902b7-01`],
    ['upper case', traceparent.toUpperCase()],
    ['more than version 00 has', `${traceparent}-more`],
    ['another length', traceparent.slice(1)],
    ['other content', 'planted'],
    ['two values', `${traceparent}, ${traceparent}`],
  ])('is ignored if it has %s', async (_what, header) => {
    expect(await trace(byForwardAuth, header)).toEqual({ atSource: undefined, traceId: undefined })
  })

  it('causes no additional request to the session source', async () => {
    const remembering = await startBroker({
      WIDGET_BASE_URL: vendor.url,
      SESSION_MODE: 'forward-auth',
      SESSION_FORWARD_URL: `${source.origin}/me`,
    })
    source.received.length = 0
    for (const parent of ['00f067aa0ba902b7', '00f067aa0ba902b8'])
      await remembering.askToken({ cookie: 'sid=1', traceparent: `00-${traceId}-${parent}-01` })
    expect(source.received).toHaveLength(1)
  })
})
