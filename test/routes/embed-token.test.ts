import { beforeEach, describe, expect, it, vi } from 'vitest'
import { signSession, startBroker, type RunningBroker } from '../peers/broker.ts'
import { accessLineOf } from '../peers/promises.ts'
import { mintVendorToken, startVendor, type Vendor, type VendorAnswer } from '../peers/vendor.ts'

const accessKey = {
  RAI_ACCESS_ID: 'access-id-1',
  RAI_ACCESS_KEY: 'access-key-1',
  RAI_USER_IDENTIFIERS: 'data-customer-id=sub,data-email=email',
}
const signinOnly = { RAI_ACCESS_ID: '', RAI_ACCESS_KEY: '', RAI_USER_IDENTIFIERS: '' }
const embedOnly = { WIDGET_API_KEY: '', WIDGET_COMMUNITY_ID: '' }

let vendor: Vendor
let api: Vendor
let broker: RunningBroker

const giveEmbedToken: VendorAnswer = async (response) => {
  const data = { embedToken: await mintVendorToken('ada@example.com', 900), expiresIn: 900 }
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ data }))
}

beforeEach(async () => {
  vendor = await startVendor()
  api = await startVendor()
  api.answerWith(giveEmbedToken)
  await start()
})

async function start(environment: Record<string, string> = {}) {
  broker = await startBroker({
    WIDGET_BASE_URL: vendor.url,
    RAI_API_URL: api.url,
    ...accessKey,
    ...environment,
  })
}

/** What `POST /embed-token` answers to a session with these claims; Ada's own, unless they say otherwise. */
async function ask(claims: Record<string, unknown> = {}, headers: Record<string, string> = {}) {
  const authorization = `Bearer ${await signSession(claims)}`
  const response = await broker.askToken({ authorization, ...headers }, '/embed-token')
  return { response, status: response.status, body: (await response.json()) as Record<string, unknown> }
}

const sentBodies = () => api.requests.map(({ body }) => JSON.parse(body))
const issuedLines = () => broker.logLines().filter(({ event }) => event === 'token_issued')

describe('POST /embed-token', () => {
  it('issues a token for the identifiers of the verified session, whatever else the request contains', async () => {
    const { response, status, body } = await ask()
    expect(status).toBe(200)
    expect(body).toEqual({
      embedToken: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      expiresIn: expect.any(Number),
      subject: expect.any(String),
    })
    expect(body.expiresIn).toBeGreaterThan(890)
    expect(body.expiresIn).toBeLessThanOrEqual(900)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('access-control-allow-origin')).toBe('https://app.example.com')
    expect(api.requests).toMatchObject([
      {
        method: 'POST',
        url: '/v2/api/widget-access-keys/token',
        headers: { 'content-type': 'application/json', accept: 'application/json' },
      },
    ])
    expect(sentBodies()).toEqual([
      {
        accessId: 'access-id-1',
        accessKey: 'access-key-1',
        userIdentifiers: { 'data-customer-id': 'ada', 'data-email': 'ada@example.com' },
      },
    ])
    expect(vendor.requests).toEqual([])
  })

  it('mints a token for each request, even for simultaneous ones, and shares none', async () => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => ask()))
    expect(new Set(answers.map(({ body }) => body.embedToken)).size).toBe(5)
    expect(api.requests).toHaveLength(5)
  })

  it('keeps at most two calls of one user open at the vendor', async () => {
    const { asked, release } = holdApi()
    const answers = Array.from({ length: 4 }, () => ask())
    await asked
    await ask({ sub: 'bob', email: 'bob@example.com', exp: 1 })
    expect(api.requests.length).toBeLessThanOrEqual(2)
    release()
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200, 200])
  })

  it('writes an audit line with its door and no secret', async () => {
    await ask()
    expect(issuedLines()).toMatchObject([
      { door: 'access_key', sessionMode: 'jwt', origin: 'https://app.example.com', attempts: 1 },
    ])
    for (const secret of ['access-key-1', 'ada@example.com', 'Bearer'])
      expect(broker.logText()).not.toContain(secret)
  })

  it.each([
    ['no session', { authorization: 'Bearer x.y.z' }, 401, 'session_invalid'],
    ['a foreign origin', { origin: 'https://evil.example' }, 403, 'origin_not_allowed'],
  ])('refuses %s before the vendor is asked', async (_name, headers, status, code) => {
    expect((await ask({}, headers)).body).toMatchObject({ status, code })
    expect(api.requests).toEqual([])
  })

  it('takes the lifetime from the token if the vendor does not state it', async () => {
    api.answerWith(async (response) => {
      const data = { embedToken: await mintVendorToken('ada@example.com', 120) }
      response.end(JSON.stringify({ data }))
    })
    const { body } = await ask()
    expect(body.expiresIn).toBeGreaterThan(115)
    expect(body.expiresIn).toBeLessThanOrEqual(120)
  })

  it.each([
    {},
    { data: {} },
    { data: null },
    { embedToken: 'a-token-at-the-top' },
    { data: { token: 'a-token-of-the-other-door' } },
    { data: { embedToken: 'has a space' } },
  ])('treats %j as a bad response', async (answer) => {
    api.answerWith((response) => void response.end(JSON.stringify(answer)))
    const { body, response } = await ask()
    expect(body).toMatchObject({ status: 500, code: 'vendor_bad_response' })
    expect(await accessLineOf(broker, response.headers.get('x-request-id'))).toMatchObject({
      outcome: 'invalid_shape',
    })
  })

  it('logs once that the access key is refused, and which settings to check', async () => {
    api.answerWith((response) => void response.writeHead(401).end())
    for (let nth = 0; nth < 2; nth += 1)
      expect((await ask()).body).toMatchObject({ status: 500, code: 'vendor_rejected_credentials' })
    const lines = broker.logLines().filter(({ event }) => event === 'vendor_rejected_credentials')
    expect(lines).toMatchObject([{ level: 'error', msg: expect.stringContaining('RAI_ACCESS_KEY') }])
  })
})

describe('An identifier', () => {
  it.each([
    ['a whole number', { customer: { id: 42 } }, '42'],
    ['a string', { customer: { id: 'c-42' } }, 'c-42'],
    ['254 characters', { customer: { id: 'c'.repeat(254) } }, 'c'.repeat(254)],
  ])('may be %s of a nested claim, without any email', async (_name, claims, sent) => {
    await start({ RAI_USER_IDENTIFIERS: 'data-customer-id=customer.id' })
    expect((await ask({ email: undefined, ...claims })).status).toBe(200)
    expect(sentBodies()[0].userIdentifiers).toEqual({ 'data-customer-id': sent })
  })

  it.each([
    ['is missing', {}, 'identifier_missing'],
    ['is null', { customer: { id: null } }, 'identifier_missing'],
    ['is empty', { customer: { id: '' } }, 'identifier_not_plain'],
    ['is too long', { customer: { id: 'c'.repeat(255) } }, 'identifier_not_plain'],
    ['has a space', { customer: { id: 'c 42' } }, 'identifier_not_plain'],
    ['has a line break', { customer: { id: 'c\n42' } }, 'identifier_not_plain'],
    ['is not ASCII', { customer: { id: 'ç42' } }, 'identifier_not_plain'],
    ['is a fraction', { customer: { id: 1.5 } }, 'identifier_not_plain'],
    ['is beyond the safe integers', { customer: { id: 2 ** 53 } }, 'identifier_not_plain'],
    ['is a boolean', { customer: { id: true } }, 'identifier_not_plain'],
    ['is a list', { customer: { id: ['c-42'] } }, 'identifier_not_plain'],
  ])('that %s is refused, and only the log names its claim', async (_name, claims, outcome) => {
    await start({ RAI_USER_IDENTIFIERS: 'data-customer-id=customer.id' })
    const { body, response } = await ask(claims)
    expect(body).toMatchObject({ status: 403, code: 'identity_unusable' })
    expect(JSON.stringify(body)).not.toContain('customer.id')
    const line = await accessLineOf(broker, response.headers.get('x-request-id'))
    expect(line).toMatchObject({ outcome, claim: 'customer.id' })
    expect(api.requests).toEqual([])
  })

  it.each([
    ['data-email=mail', { mail: 'ada@example.com, eve@example.com' }, 'identity_unusable'],
    ['data-email=email', { email_verified: false }, 'email_unverified'],
    ['data-id=email', { email_verified: false }, 'email_unverified'],
    ['data-id=email', { email: 'not an address' }, 'identity_unusable'],
    ['data-email=mail', { mail: 42 }, 'identity_unusable'],
  ])('%s obeys the rules of the email: %j is %s', async (identifiers, claims, code) => {
    await start({ RAI_USER_IDENTIFIERS: identifiers })
    expect((await ask(claims)).body).toMatchObject({ status: 403, code })
    expect(api.requests).toEqual([])
  })
})

describe('The doors', () => {
  it('exist as they are configured', async () => {
    await start(signinOnly)
    expect((await broker.askToken()).status).toBe(200)
    expect((await ask()).body).toMatchObject({ status: 404, code: 'not_found' })
    await start(embedOnly)
    expect(await (await broker.askToken()).json()).toMatchObject({ status: 404, code: 'not_found' })
    expect((await ask()).status).toBe(200)
  })

  it('require only what they need: a session without an email gets an embed token, but no widget token', async () => {
    await start({ RAI_USER_IDENTIFIERS: 'data-customer-id=sub' })
    const authorization = `Bearer ${await signSession({ email: undefined })}`
    expect(await (await broker.askToken({ authorization })).json()).toMatchObject({
      code: 'identity_unusable',
    })
    expect((await ask({ email: undefined })).status).toBe(200)
  })

  it('count the requests of a user separately', async () => {
    await start({ RATE_LIMIT_PER_MINUTE: '1' })
    expect((await ask()).status).toBe(200)
    expect((await ask()).body).toMatchObject({ status: 429, code: 'rate_limited' })
    expect((await broker.askToken()).status).toBe(200)
  })

  it('are open while the other one is closed by an outage, in both directions', async () => {
    api.answerWith((response) => void response.writeHead(504).end())
    for (let nth = 0; nth < 10; nth += 1) await ask({ sub: `user-${nth}` })
    expect((await ask()).body).toMatchObject({ code: 'vendor_unavailable' })
    const opened = () => broker.logLines().filter(({ event }) => event === 'vendor_circuit')
    await vi.waitFor(() => expect(opened()).toMatchObject([{ state: 'open' }]))
    expect((await broker.askToken()).status).toBe(200)
    await start()
    vendor.answerWith((response) => void response.writeHead(504).end())
    for (let nth = 0; nth < 10; nth += 1)
      await broker.askToken({ authorization: `Bearer ${await signSession({ sub: `user-${nth}` })}` })
    expect(opened()).toMatchObject([{ state: 'open' }])
    api.answerWith(giveEmbedToken)
    expect((await ask()).status).toBe(200)
  })

  it('are not paused by the other', async () => {
    api.answerWith((response) => void response.writeHead(429, { 'retry-after': '60' }).end())
    expect((await ask()).response.headers.get('retry-after')).toBe('60')
    expect((await broker.askToken()).status).toBe(200)
  })
})

/** Keeps the answers of the API back until `release`; `asked` resolves once it has two. */
function holdApi() {
  const open: (() => void)[] = []
  let tell!: () => void
  const asked = new Promise<void>((resolve) => {
    tell = resolve
  })
  api.answerWith(async (response, request) => {
    if (open.length < 2) {
      await new Promise<void>((resolve) => {
        if (open.push(resolve) === 2) tell()
      })
    }
    await giveEmbedToken(response, request)
  })
  return {
    asked,
    release: () => {
      for (const answer of open) answer()
    },
  }
}
