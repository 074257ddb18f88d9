import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startBroker, type RunningBroker } from '../peers/broker.ts'
import { nginxMissing, startNginx, type Nginx } from '../peers/nginx.ts'
import { startVendor, type Vendor } from '../peers/vendor.ts'
import { openClub, signIn, type Club } from '../peers/club.ts'
import { send } from '../peers/exchange.ts'

const proof = 'a-proof-that-only-nginx-knows'

describe.skipIf(nginxMissing)(`nginx with auth_request in front ${nginxMissing ?? ''}`, () => {
  let club: Club
  let vendor: Vendor
  let broker: RunningBroker
  let nginx: Nginx
  let cookie: readonly [string, string]

  beforeAll(async () => {
    club = await openClub()
    vendor = await startVendor()
    broker = await startBroker({
      WIDGET_BASE_URL: vendor.url,
      SESSION_MODE: 'trusted-header',
      SESSION_JWT_SECRET: undefined,
      SESSION_HEADER: 'X-Forwarded-Email',
      SESSION_HEADER_PEERS: '127.0.0.1/32',
      SESSION_HEADER_PROOF: proof,
      TOKEN_CACHE_SECONDS: '0',
    })
    nginx = await startNginx(`
      location / { proxy_pass ${club.origin}; }
      location = /auth { internal; proxy_pass ${club.origin}; proxy_pass_request_body off; }
      location = /widget-token {
        auth_request /auth;
        auth_request_set $email $upstream_http_x_email;
        proxy_set_header X-Forwarded-Email $email;
        proxy_set_header X-Broker-Proof ${proof};
        proxy_pass ${broker.url};
      }
      location = /open { proxy_set_header X-Broker-Proof ${proof}; proxy_pass ${broker.url}/widget-token; }
    `)
    cookie = ['Cookie', await signIn(nginx.origin, 'ada@example.com')]
  })

  beforeEach(() => {
    vendor.requests.length = 0
  })

  async function ask(url: string, ...headers: (readonly [string, string])[]) {
    const page = ['Origin', 'https://app.example.com'] as const
    const { status, body } = await send(url, { method: 'POST', headers: [page, ...headers] })
    return { status, body, emails: vendor.requests.map((request) => request.headers.email) }
  }

  test('The user whom nginx has verified gets a token', async () => {
    const answer = await ask(`${nginx.origin}/widget-token`, cookie)
    expect([answer.status, answer.emails]).toEqual([200, ['ada@example.com']])
  })

  test.each([
    ['the email header', [['X-Forwarded-Email', 'eve@example.com']]],
    [
      'the email header twice',
      [
        ['X-Forwarded-Email', 'eve@example.com'],
        ['x-forwarded-email', 'eve@example.com'],
      ],
    ],
    ['the header with underscores', [['X_Forwarded_Email', 'eve@example.com']]],
    ['a guessed proof', [['X-Broker-Proof', 'a-guess']]],
    [
      'the right proof and the header',
      [
        ['X-Broker-Proof', proof],
        ['X-Forwarded-Email', 'eve@example.com'],
      ],
    ],
    ['a Connection header that names them', [['Connection', 'close, X-Forwarded-Email, X-Broker-Proof']]],
    ['an address of its own', [['X-Forwarded-For', '10.0.0.1']]],
  ] as const)('A client that sends %s is no other user to the broker', async (_, headers) => {
    const answer = await ask(`${nginx.origin}/widget-token`, cookie, ...headers)
    expect([answer.status, answer.emails]).toEqual([200, ['ada@example.com']])
  })

  test('A visitor whom the app does not know does not reach the broker', async () => {
    const answer = await ask(`${nginx.origin}/widget-token`, ['X-Forwarded-Email', 'eve@example.com'])
    expect([answer.status, answer.emails]).toEqual([401, []])
  })

  test('A location that does not set the header has no session', async () => {
    const answer = await ask(`${nginx.origin}/open`, cookie)
    expect([answer.status, answer.emails]).toEqual([401, []])
    expect(answer.body).toContain('session_missing')
  })

  test('A request that bypasses nginx, from the same address, is refused without the proof', async () => {
    const forged = ['X-Forwarded-Email', 'eve@example.com'] as const
    const answer = await ask(`${broker.url}/widget-token`, forged)
    expect([answer.status, answer.emails]).toEqual([401, []])
    expect(answer.body).toContain('session_invalid')
  })

  test('Neither the proof nor an email is in the log', async () => {
    await ask(`${nginx.origin}/widget-token`, cookie)
    expect(broker.logText()).not.toMatch(new RegExp(`${proof}|@example`))
  })
})
