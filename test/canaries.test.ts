import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { mintVendorToken, startVendor, type Vendor, type VendorAnswer } from './peers/vendor.ts'
import { sessionSecret, signSession, startBroker, validEnvironment } from './peers/broker.ts'
import { send, sendBytes, type Answer, type Question } from './peers/exchange.ts'
import { listen } from './peers/listen.ts'
import { startProcess } from './peers/process.ts'

// One secret for each place from which something could leak. `Zq7` begins none that occurs by chance.
const canary = (place: string) => `Zq7${place}Zq7`

const planted = {
  apiKey: canary('apikey'),
  subjectKey: canary('subjectkey'),
  email: canary('email'),
  cookie: canary('cookie'),
  authorization: canary('authorization'),
  query: canary('query'),
  path: canary('path'),
  origin: canary('origin').toLowerCase(),
  userAgent: canary('useragent'),
  requestId: canary('requestid'),
  body: canary('body'),
  claim: canary('claim'),
  referer: canary('referer'),
  forwarded: canary('forwarded'),
  kid: canary('kid'),
  whoAmI: canary('whoami'),
  whoAmIHeader: canary('whoamiheader'),
  vendorBody: canary('vendorbody'),
  vendorHeader: canary('vendorheader'),
  vendorStatusText: canary('vendorstatus'),
}

/** Each secret as it is, in base64 at any offset, and as a URL or a JSON string may encode it. */
function formsOf(secret: string): string[] {
  const inBase64 = ['', 'x', 'xx'].map((before) => {
    const encoded = Buffer.from(before + secret).toString('base64')
    return encoded.slice(before === '' ? 0 : 4, -4)
  })
  return [secret, ...inBase64, Buffer.from(secret).toString('hex')]
}

const forms = [...Object.values(planted), sessionSecret].flatMap(formsOf)

function expectNoCanary(text: string): void {
  const decoded = text.replaceAll(/%[0-9a-f]{2}/gi, (hex) =>
    String.fromCharCode(Number.parseInt(hex.slice(1), 16)),
  )
  const found = forms.filter(
    (form) => text.includes(form) || decoded.toLowerCase().includes(form.toLowerCase()),
  )
  expect(found).toEqual([])
}

let vendor: Vendor
let environment: Record<string, string>
let whoAmI: { status: number; body: string }
const app = createServer((_request, response) => {
  response.writeHead(whoAmI.status, { 'x-planted': planted.whoAmIHeader }).end(whoAmI.body)
})

beforeAll(async () => {
  vendor = await startVendor()
  const whoAmIUrl = `${await listen(app)}/me`
  environment = {
    WIDGET_BASE_URL: vendor.url,
    WIDGET_API_KEY: planted.apiKey,
    SUBJECT_KEY: planted.subjectKey,
    LOG_LEVEL: 'trace',
    VENDOR_TIMEOUT_MS: '300',
    TOKEN_CACHE_SECONDS: '0',
    SESSION_CACHE_SECONDS: '0',
    SESSION_FORWARD_URL: whoAmIUrl,
  }
})

const vendorAnswers: [what: string, answer: VendorAnswer][] = [
  ...[400, 401, 403, 404, 429, 500, 503].map((status): [string, VendorAnswer] => [
    `status ${status}`,
    (response) => {
      const headers = {
        'x-planted': planted.vendorHeader,
        location: `https://${planted.vendorHeader}.example`,
      }
      response.writeHead(status, planted.vendorStatusText, headers).end(planted.vendorBody)
    },
  ]),
  ['a redirect', (response) => void response.writeHead(307, { location: `/${planted.vendorHeader}` }).end()],
  ['no JSON', (response) => void response.writeHead(200).end(`<p>${planted.vendorBody}</p>`)],
  [
    'no token',
    (response) => void response.writeHead(200).end(JSON.stringify({ secret: planted.vendorBody })),
  ],
  [
    'an unusable token',
    (response) => void response.end(JSON.stringify({ token: `${planted.vendorBody}\n` })),
  ],
  ['a reset', (response) => void response.socket?.destroy()],
  ['nothing in time', () => undefined],
  ['no HTTP', (response) => void response.socket?.end(planted.vendorBody)],
]

const whoAmIs = [
  { status: 200, body: JSON.stringify({ email: `${planted.email}@x`, sub: 1, note: planted.whoAmI }) },
  { status: 200, body: JSON.stringify({ email: [planted.email], note: planted.whoAmI }) },
  { status: 200, body: planted.whoAmI },
  { status: 302, body: planted.whoAmI },
  { status: 500, body: planted.whoAmI },
]

/** Requests of every kind that carry a secret in every place. */
async function questions(): Promise<Question[]> {
  const claims = { email: `${planted.email}@example.com`, note: planted.claim }
  const tokens = await Promise.all([
    signSession(claims),
    signSession({ ...claims, exp: 1 }),
    signSession({ ...claims, email: `${planted.email} <>` }),
    signSession(claims, 'another secret, of the same length as the real one'),
  ])
  const kid = Buffer.from(JSON.stringify({ alg: 'HS256', kid: planted.kid })).toString('base64url')
  const credentials = [...tokens, planted.authorization, `${kid}.${kid}.${kid}`]
  const everywhere = {
    'user-agent': planted.userAgent,
    referer: `https://${planted.referer}.example/`,
    'x-request-id': `${planted.requestId} {`,
    'x-forwarded-for': planted.forwarded,
    email: planted.email,
    cookie: `sid=${planted.cookie}`,
    'content-type': 'application/json',
  }
  const origins = ['https://app.example.com', `https://${planted.origin}.example`]
  return credentials.flatMap((credential) =>
    origins.map((origin) => ({
      method: 'POST',
      path: `/widget-token?token=${planted.query}`,
      headers: { ...everywhere, origin, authorization: `Bearer ${credential}` },
      body: JSON.stringify({ email: planted.body }),
    })),
  )
}

const codesOf = (answers: Answer[]) => new Set(answers.map(({ body }) => JSON.parse(body).code))

/** Asks a new broker every question at once, then some again, and collects all that it says. */
async function askEverything(more: Record<string, string>) {
  const broker = await startBroker({ ...environment, ...more })
  const asked = await questions()
  const answers = await Promise.all(asked.map((question) => send(broker.port, question)))
  for (const question of asked.slice(0, 3)) answers.push(await send(broker.port, question))
  return { answers, log: broker.logText() }
}

describe('No secret, token, cookie or email', () => {
  it.each(vendorAnswers)(
    'is in any log line or any answer, when the vendor answers with %s',
    async (_what, answer) => {
      vendor.requests.length = 0
      vendor.answerWith(answer)
      for (const mode of ['jwt', 'forward-auth']) {
        whoAmI = whoAmIs[0]!
        const { answers, log } = await askEverything({ SESSION_MODE: mode })
        expect(codesOf(answers)).toContain('origin_not_allowed')
        expect([...codesOf(answers)].join()).toMatch(/vendor_/)
        expectNoCanary(JSON.stringify(answers) + log)
      }
      expect(vendor.requests.length).toBeGreaterThan(1)
    },
  )

  it.each(whoAmIs)('is in a log line or an answer if the app answers with %j', async (answer) => {
    whoAmI = answer
    vendor.answerWith()
    const { answers, log } = await askEverything({ SESSION_MODE: 'forward-auth' })
    const refused = answers.filter(({ status }) => status !== 200)
    expectNoCanary(JSON.stringify(refused) + log)
  })

  it('is in a log line or an answer if there is no vendor, or too many requests', async () => {
    const more = { WIDGET_BASE_URL: 'http://127.0.0.1:9', RATE_LIMIT_PER_MINUTE: '1' }
    const { answers, log } = await askEverything(more)
    for (const code of ['session_invalid', 'identity_unusable', 'rate_limited', 'vendor_unavailable']) {
      expect(codesOf(answers)).toContain(code)
    }
    expectNoCanary(JSON.stringify(answers) + log)
  })

  it('is in the answer to a request that no route serves', async () => {
    const broker = await startBroker(environment)
    const path = `/${planted.path}?${planted.query}`
    const found = await send(broker.port, { path, headers: { cookie: planted.cookie } })
    const unread = await sendBytes(broker.port, `GET ${path} HTTP/1.1\r\nCookie: ${planted.cookie}\0\r\n\r\n`)
    expect([found.status, unread[0]?.status]).toEqual([404, 400])
    expectNoCanary(JSON.stringify([found, unread]) + broker.logText())
  })

  it('leaks, except for the token itself in the one answer that is meant for it', async () => {
    const token = await mintVendorToken(`${planted.email}@example.com`)
    vendor.answerWith((response) => void response.end(JSON.stringify({ token, apiKey: planted.vendorBody })))
    const fresh = await startBroker({ WIDGET_BASE_URL: vendor.url, LOG_LEVEL: 'trace' })
    const authorization = `Bearer ${await signSession({ email: `${planted.email}@example.com` })}`
    const answer = await fresh.askToken({ authorization })
    const body = await answer.text()
    expect(JSON.parse(body).token).toBe(token)
    expectNoCanary(body.replace(token, '') + JSON.stringify([...answer.headers]) + fresh.logText())
    expect(fresh.logText()).toContain('token_issued')
    expect(fresh.logText()).not.toContain(token)
    expect(fresh.logText()).not.toContain(authorization.slice(7))
  })

  it('is in the output of the process when a bug ends it', async () => {
    const bug = `process.on('SIGUSR2', () => { throw new Error('${planted.apiKey}\\n    at ${planted.email}') })`
    const file = join(mkdtempSync(join(tmpdir(), 'bug-')), 'bug.mjs')
    writeFileSync(file, bug)
    const broker = await startProcess(
      { ...validEnvironment, WIDGET_API_KEY: planted.apiKey, SUBJECT_KEY: planted.subjectKey },
      { nodeArgs: ['--import', file] },
    )
    broker.child.kill('SIGUSR2')
    expect((await broker.ended).code).toBe(1)
    const lines = broker.said.stdout.trimEnd().split('\n')
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({
      level: 'fatal',
      event: 'uncaught_exception',
      errorName: 'Error',
    })
    expect(broker.said.stderr).toBe('')
    expectNoCanary(broker.said.stdout)
  })
})

describe('The search', () => {
  it('finds a secret in every form', () => {
    const { email } = planted
    for (const form of [
      email,
      encodeURIComponent(`${email} `),
      `%5A${email.slice(1)}`,
      Buffer.from(`{"e":"${email}"}`).toString('base64'),
      Buffer.from(`x${email}`).toString('base64url'),
      Buffer.from(email).toString('hex'),
    ]) {
      expect(() => expectNoCanary(`a ${form} b`)).toThrow('deeply equal')
    }
  })
})
