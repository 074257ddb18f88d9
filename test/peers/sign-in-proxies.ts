import { startEndpoint, type Endpoint } from './endpoint.ts'

/** What a sign-in proxy answers to a question about its visitor. */
export interface SignInProxy {
  path: string
  cookie: string
  /** Without one of these, it does not know what it is asked about: 400. */
  needs: readonly string[]
  signedIn: { status: number; headers: Record<string, string> }
  signedOut: { status: number; headers?: Record<string, string> }
}

// Stand-ins by the documentation of the products, none of which npm or Debian has.
export const signInProxies: Record<'oauth2-proxy' | 'Authelia' | 'authentik', SignInProxy> = {
  'oauth2-proxy': {
    path: '/oauth2/auth',
    cookie: '_oauth2_proxy',
    needs: [],
    signedIn: {
      status: 202,
      headers: { 'X-Auth-Request-User': 'user-1', 'X-Auth-Request-Email': 'ada@example.com' },
    },
    signedOut: { status: 401 },
  },
  Authelia: {
    path: '/api/authz/forward-auth',
    cookie: 'authelia_session',
    needs: [
      'x-forwarded-method',
      'x-forwarded-proto',
      'x-forwarded-host',
      'x-forwarded-uri',
      'x-forwarded-for',
    ],
    signedIn: {
      status: 200,
      headers: {
        'Remote-User': 'ada',
        'Remote-Name': 'Ada',
        'Remote-Groups': 'staff,admins',
        'Remote-Email': 'ada@example.com',
      },
    },
    signedOut: { status: 302, headers: { Location: 'https://auth.example.com/?rd=x' } },
  },
  authentik: {
    path: '/outpost.goauthentik.io/auth/nginx',
    cookie: 'authentik_proxy_1',
    needs: ['x-original-url'],
    signedIn: {
      status: 200,
      headers: {
        'X-Authentik-Username': 'ada',
        'X-Authentik-Uid': 'c0ffee',
        'X-Authentik-Email': 'ada@example.com',
      },
    },
    signedOut: { status: 401 },
  },
}

/** Starts one whose good session cookie has the value `good`, or `renamed` once that user has a new email. */
export function startSignInProxy({
  path,
  cookie,
  needs,
  signedIn,
  signedOut,
}: SignInProxy): Promise<Endpoint> {
  const renamed = JSON.parse(JSON.stringify(signedIn).replace('ada@', 'ada.king@')) as typeof signedIn
  const byCookie = new Map([
    [`${cookie}=good`, signedIn],
    [`${cookie}=renamed`, renamed],
  ])
  return startEndpoint(({ url, headers }, response) => {
    const complete = url === path && needs.every((name) => headers[name] !== undefined)
    const answer = byCookie.get(headers.cookie ?? '') ?? signedOut
    response.writeHead(complete ? answer.status : 400, complete ? answer.headers : {}).end()
  })
}
