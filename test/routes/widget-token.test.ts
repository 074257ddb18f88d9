import { beforeEach, describe, expect, it } from 'vitest'
import { signSession, useBroker, type RunningBroker } from '../peers/broker.ts'
import type { Vendor } from '../peers/vendor.ts'

let vendor: Vendor
let broker: RunningBroker

beforeEach(async () => {
  ;({ vendor, broker } = await useBroker())
})

describe('POST /widget-token', () => {
  it('signs in the user of the session at the vendor with one request, as documented', async () => {
    const answer = await broker.askToken()
    const [request, ...others] = vendor.requests
    expect(answer.status).toBe(200)
    expect(others).toEqual([])
    expect(request).toMatchObject({ method: 'POST', url: '/widget/community-1/signin', body: '' })
    expect(request?.headers).toMatchObject({
      'returningai-api-key': 'widget-api-key-1',
      email: 'ada@example.com',
      'content-type': 'application/json',
      'accept-encoding': 'identity',
    })
  })

  it('reuses the token within the session, and mints a new one for no-cache', async () => {
    const authorization = `Bearer ${await signSession()}`
    const ask = async (headers = {}) =>
      (await (await broker.askToken({ authorization, ...headers })).json()).token
    const first = await ask()
    expect(await ask()).toBe(first)
    const second = await ask({ 'cache-control': 'no-cache' })
    expect(second).not.toBe(first)
    expect(await ask()).toBe(second)
    expect(await ask({ 'cache-control': 'max-age=0, No-Cache' })).not.toBe(second)
    expect(vendor.requests).toHaveLength(3)
  })
})
