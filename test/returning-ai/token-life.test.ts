import { beforeEach, describe, expect, it } from 'vitest'
import { startBroker, type RunningBroker } from '../peers/broker.ts'
import { startRawVendor, httpAnswer, type RawVendor } from '../peers/raw.ts'

let vendor: RawVendor
let broker: RunningBroker

beforeEach(async () => {
  vendor = await startRawVendor()
  broker = await startBroker({ WIDGET_BASE_URL: vendor.url })
})

const nowSeconds = () => Math.floor(Date.now() / 1000)
const dateIn = (seconds: number) => new Date((nowSeconds() + seconds) * 1000).toUTCString()

/** The lifetime that a page gets for a token with these claims, in an answer with these headers. */
async function lifeOf(claims: object, headers: Record<string, string> = {}) {
  const token = `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`
  vendor.act = (socket) => socket.write(httpAnswer(200, JSON.stringify({ token }), headers))
  const answer = (await (await broker.askToken()).json()) as { expiresIn?: number }
  return answer.expiresIn
}

// The time of day may move on between the vendor's answer and ours.
const about = (seconds: number) => expect.closeTo(seconds - 1, -0.5)

describe('The life of a token', () => {
  it('is computed from its exp and the Date of the answer, whatever the time of this machine', async () => {
    const hour = 3600
    expect(await lifeOf({ exp: nowSeconds() + hour + 120 }, { date: dateIn(hour) })).toEqual(about(120))
    expect(await lifeOf({ exp: nowSeconds() - hour + 120 }, { date: dateIn(-hour) })).toEqual(about(120))
  })

  it('is never longer than from iat to exp', async () => {
    const iat = nowSeconds() + 600
    expect(await lifeOf({ iat, exp: iat + 60 }, { date: dateIn(0) })).toEqual(about(60))
    expect(await lifeOf({ iat, exp: iat + 60 })).toEqual(about(60))
  })

  it('is the remaining part, by the Date, for a token that was minted earlier', async () => {
    const iat = nowSeconds() - 200
    expect(await lifeOf({ iat, exp: iat + 300 }, { date: dateIn(0) })).toEqual(about(100))
  })

  it.each<Record<string, string>>([{}, { date: 'yesterday' }, { date: 'NaN' }])(
    'is computed with the clock of this machine if the answer has only %j',
    async (headers) => {
      expect(await lifeOf({ exp: nowSeconds() + 90 }, headers)).toEqual(about(90))
    },
  )

  it.each([{ iat: 9e12 }, { iat: '1' }, { iat: null }])('ignores %j', async (claims) => {
    expect(await lifeOf({ ...claims, exp: nowSeconds() + 90 }, { date: dateIn(0) })).toEqual(about(90))
  })

  it('is zero for a token that had expired when the vendor sent it', async () => {
    expect(await lifeOf({ exp: nowSeconds() + 5 }, { date: dateIn(10) })).toBe(0)
  })

  it.each([{}, { exp: '300' }, { exp: 1e306 }])('is unknown with %j', async (claims) => {
    expect(await lifeOf(claims, { date: dateIn(0) })).toBeUndefined()
  })
})
