import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, describe, expect, it } from 'vitest'
import { ConfigError, loadConfig } from '../../src/config/config.ts'
import { fromFiles, variableNames } from '../../src/config/variables.ts'
import { validEnvironment } from '../peers/broker.ts'

type Environment = Record<string, string | undefined>

const directory = mkdtempSync(join(tmpdir(), 'config-'))
afterAll(() => rmSync(directory, { recursive: true }))

function file(content: string): string {
  const path = join(directory, String(Math.random()))
  writeFileSync(path, content)
  return path
}

function pipe(): string {
  const path = join(directory, String(Math.random()))
  execFileSync('mkfifo', [path])
  return path
}

/** The faults of a valid environment with this added or spoiled, as `NAME message`. */
function faultsOf(environment: Environment): string[] {
  try {
    loadConfig({ ...validEnvironment, ...environment })
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.faults.map(({ name, message }) => `${name} ${message}`)
  }
}

const load = (environment: Environment = {}) => loadConfig({ ...validEnvironment, ...environment })

const trustedHeader = {
  SESSION_MODE: 'trusted-header',
  SESSION_HEADER: 'x-forwarded-email',
  SESSION_HEADER_PEERS: '10.0.0.1',
}
const introspection = {
  SESSION_MODE: 'introspection',
  SESSION_INTROSPECTION_URL: 'https://id.example.com/introspect',
  SESSION_INTROSPECTION_CLIENT_ID: 'broker',
}

const publicPem = (modulusLength: number) =>
  generateKeyPairSync('rsa', { modulusLength }).publicKey.export({ type: 'spki', format: 'pem' }).toString()
const privatePem = generateKeyPairSync('ed25519')
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString()

// Each value holds a mark where it can, so that a message that quotes it is found out.
const bad: [name: string, value: string][] = [
  ['HOST', 'planted host'],
  ['PORT', 'planted'],
  ['PORT', '-1'],
  ['PORT', '65536'],
  ['PORT', '3000.5'],
  ['PORT', '0x10'],
  ['WIDGET_BASE_URL', 'planted'],
  ['WIDGET_BASE_URL', 'http://planted.example'],
  ['WIDGET_BASE_URL', 'ftp://planted.example'],
  ['WIDGET_BASE_URL', 'https://user:planted@vendor.example'],
  ['WIDGET_BASE_URL', 'https://vendor.example/planted'],
  ['WIDGET_BASE_URL', 'https://vendor.example?planted'],
  ['WIDGET_BASE_URL', 'https://vendor.example?'],
  ['WIDGET_BASE_URL', 'https://vendor.example#planted'],
  ['WIDGET_BASE_URL', 'https://*.planted.example'],
  ['WIDGET_BASE_URL', 'https://planted.example;x'],
  ['WIDGET_PROBE_EMAIL', 'planted'],
  ['WIDGET_PROBE_EMAIL', 'planted@example.com,b@example.com'],
  ['WIDGET_COMMUNITY_ID', '../planted'],
  ['WIDGET_COMMUNITY_ID', 'planted/x'],
  ['WIDGET_COMMUNITY_ID', 'planted?x'],
  ['WIDGET_COMMUNITY_ID', '%2e%2e'],
  ['WIDGET_COMMUNITY_ID', 'p'.repeat(65)],
  ['WIDGET_API_KEY', 'planted key'],
  ['WIDGET_API_KEY', 'planted\r\nX: 1'],
  ['WIDGET_API_KEY', 'planted\u200b'],
  ['WIDGET_API_KEY', '\ufeffplanted'],
  ['WIDGET_API_KEY', 'planted-1\nplanted-2'],
  ['WIDGET_API_KEY', 'changeme'],
  ['WIDGET_API_KEY', 'your-widget-api-key'],
  ['WIDGET_API_KEYS', 'planted'],
  ['WIDGET_API_KEYS', ':planted'],
  ['WIDGET_API_KEYS', 'store-widget:planted key'],
  ['WIDGET_API_KEYS', 'store-widget:planted-1,store-widget:planted-2'],
  ['WIDGETS', 'planted'],
  ['WIDGETS', 'channel-widget:../planted'],
  ['WIDGETS', 'private:channel-widget:planted'],
  ['WIDGETS', ','],
  ['ALLOWED_ORIGINS', '*'],
  ['ALLOWED_ORIGINS', 'null'],
  ['ALLOWED_ORIGINS', 'planted.example'],
  ['ALLOWED_ORIGINS', 'https://planted.example/'],
  ['ALLOWED_ORIGINS', 'https://planted.example/path'],
  ['ALLOWED_ORIGINS', 'https://planted.example?query'],
  ['ALLOWED_ORIGINS', 'https://planted.example#fragment'],
  ['ALLOWED_ORIGINS', 'https://*.planted.example'],
  ['ALLOWED_ORIGINS', 'https://planted.example:443'],
  ['ALLOWED_ORIGINS', 'https://Planted.example'],
  ['ALLOWED_ORIGINS', 'https://user@planted.example'],
  ['ALLOWED_ORIGINS', 'ftp://planted.example'],
  ['ALLOWED_ORIGINS', 'capacitor://planted/'],
  ['ALLOWED_ORIGINS', 'App://planted'],
  ['ALLOWED_ORIGINS', 'app://'],
  ['ALLOWED_ORIGINS', 'https://app.example.com,,https://planted.example'],
  ['STATUS_PAGE', 'planted'],
  ['STATUS_PAGE', 'false'],
  ['TRUST_PROXY', 'true'],
  ['TRUST_PROXY', '1'],
  ['TRUST_PROXY', 'planted'],
  ['TRUST_PROXY', 'loopback/8'],
  ['TRUST_PROXY', '0.0.0.0/0'],
  ['TRUST_PROXY', '::/0'],
  ['TRUST_PROXY', '10.0.0.0/33'],
  ['TRUST_PROXY', '::ffff:10.0.0.0/104'],
  ['TRUST_PROXY', '0:0:0:0:0:ffff:0:0/96'],
  ['PUBLIC_URL', 'planted.example'],
  ['PUBLIC_URL', 'https://user:planted@app.example.com'],
  ['PUBLIC_URL', 'https://app.example.com/?planted'],
  ['PUBLIC_URL', 'ftp://planted.example'],
  ['SESSION_MODE', 'planted'],
  ['SESSION_MODE', 'jwt,planted'],
  ['SESSION_MODE', 'constructor'],
  ['SESSION_EMAIL_CLAIM', 'planted claim'],
  ['SESSION_EMAIL_CLAIM', 'email,,planted'],
  ['SESSION_EMAIL_CLAIM', 'header:planted'],
  ['SESSION_SUBJECT_CLAIM', 'planted claim'],
  ['SESSION_SUBJECT_CLAIM', 'sub,header:planted'],
  ['SUBJECT_KEY', 'planted key of many bytes'],
  ['SUBJECT_KEY', 'planted'],
  ['SESSION_REQUIRE_VERIFIED_EMAIL', 'yes'],
  ['SESSION_REQUIRE_VERIFIED_EMAIL', 'constructor'],
  ['SESSION_EMAIL_DOMAINS', '@planted.example'],
  ['SESSION_EMAIL_DOMAINS', '*.planted.example'],
  ['SESSION_EMAIL_DOMAINS', 'planted.example/x'],
  ['SESSION_JWT_SECRET', 'planted-is-too-short'],
  ['SESSION_JWT_SOURCE', 'planted'],
  ['SESSION_JWT_SOURCE', 'cookie:'],
  ['SESSION_JWT_SOURCE', 'header:planted name'],
  ['SESSION_JWT_ISSUER', 'planted issuer'],
  ['SESSION_JWT_AUDIENCE', 'planted audience'],
  ['SESSION_JWT_AUTHORIZED_PARTY', 'planted party'],
  ['SESSION_JWT_AUTHORIZED_PARTY_OPTIONAL', 'yes'],
  ['SESSION_JWT_ALGORITHMS', 'none'],
  ['SESSION_JWT_ALGORITHMS', 'RS256'],
  ['SESSION_JWT_ALGORITHMS', 'HS256,planted'],
  ['SESSION_INTROSPECTION_URL', 'http://planted.example/introspect'],
  ['SESSION_INTROSPECTION_ISSUER', 'planted issuer'],
  ['SESSION_INTROSPECTION_ISSUER', 'https://planted.example/?tenant=1'],
  ['SESSION_INTROSPECTION_ISSUER', 'http://planted.example'],
  ['SESSION_INTROSPECTION_AUDIENCE', 'planted audience'],
  ['SESSION_INTROSPECTION_CLIENT_ID', 'planted id'],
  ['SESSION_INTROSPECTION_CLIENT_SECRET', 'planted secret'],
  ['SESSION_INTROSPECTION_SOURCE', 'query:planted'],
  ['SESSION_FORWARD_URL', 'http://planted.example/me'],
  ['SESSION_FORWARD_URL', 'http://planted.svc.example/me'],
  ['SESSION_FORWARD_URL', 'http://203.0.113.9/planted'],
  ['SESSION_FORWARD_URL', 'planted.example/me'],
  ['SESSION_FORWARD_URL', 'https://user:planted@app.example/me'],
  ['SESSION_FORWARD_COOKIES', 'planted cookie'],
  ['SESSION_FORWARD_COOKIES', 'sid,,planted'],
  ['SESSION_HTTP_HOSTS', 'planted.example:8080'],
  ['SESSION_HTTP_HOSTS', 'http://planted.example'],
  ['SESSION_HTTP_HOSTS', '*.planted.example'],
  ['SESSION_CACHE_SECONDS', '3601'],
  ['SESSION_HEADER', 'planted header'],
  ['SESSION_HEADER_PEERS', 'true'],
  ['SESSION_HEADER_PROOF', 'planted proof of many bytes'],
  ['SESSION_HEADER_PROOF', 'planted'],
  ['SESSION_STORE_URL', 'https://planted.example'],
  ['SESSION_STORE_COOKIE', 'planted cookie'],
  ['SESSION_SECRET', 'planted,,planted'],
  ['REDIS_URL', 'planted:6379'],
  ['REDIS_URL', 'redis://127.0.0.1/planted'],
  ['REDIS_URL', 'redis://user:%planted@127.0.0.1:6379'],
  ['RATE_LIMIT_PER_MINUTE', '0'],
  ['TOKEN_CACHE_SECONDS', '-1'],
  ['VENDOR_TIMEOUT_MS', '99'],
  ['VENDOR_MAX_CONNECTIONS', '0'],
  ['VENDOR_MAX_QUEUE', 'planted'],
  ['SHUTDOWN_DELAY_MS', '8001ms'],
  ['SHUTDOWN_TIMEOUT_MS', '2999'],
  ['LOG_LEVEL', 'planted'],
  ['HTTPS_PROXY', 'planted.example:3128'],
  ['HTTPS_PROXY', 'http://planted.example:3128/path'],
  ['HTTPS_PROXY', 'http://user:%planted@planted.example:3128'],
  ['ADMIN_LISTEN', 'planted'],
  ['ADMIN_LISTEN', '0.0.0.0:65536'],
  ['RAI_API_URL', 'http://planted.example'],
  ['RAI_USER_IDENTIFIERS', 'planted list'],
  ['NODE_TLS_REJECT_UNAUTHORIZED', '0'],
  ['SESSION_JWT_SECRETT', 'planted'],
  ['WIDGET_API_KEY_2', 'planted'],
  ['RAI_ACCES_ID', 'planted'],
  ['SESSION_JWT_ISSUER_FILE', '/planted'],
]

describe('An invalid setting', () => {
  it.each(bad)('%s=%j is named, and its value is not shown', (name, value) => {
    const faults = faultsOf({ [name]: value })
    expect(faults.length).toBeGreaterThan(0)
    expect(faults.map((fault) => fault.split(' ')[0])).toEqual(faults.map(() => name))
    expect(faults.join('\n')).not.toMatch(/planted/i)
  })

  it('is reported together with all others, by name and without its value', () => {
    const spoiled = Object.fromEntries(bad.filter(([, value]) => value.includes('planted')))
    const faults = faultsOf(spoiled).join('\n')
    for (const name of Object.keys(spoiled)) expect(faults).toMatch(new RegExp(`^${name} `, 'm'))
    expect(faults).not.toMatch(/planted/i)
    expect(() => load(spoiled)).toThrow(faults.replaceAll(/^/gm, '  ').replaceAll(/(?<![.?])$/gm, '.'))
  })

  it('appears in this table for every variable except free text', () => {
    const free = ['NO_PROXY', 'SESSION_STORE_PREFIX', 'SESSION_JWT_JWKS_URL', 'SESSION_JWT_PUBLIC_KEY']
    const tested = new Set([...bad.map(([name]) => name), ...free])
    const untested = variableNames.filter((name) => !tested.has(name))
    expect(untested.filter((name) => !name.startsWith('RAI_ACCESS_'))).toEqual([])
  })
})

describe('A configuration that lacks a required setting', () => {
  it.each([
    [{ WIDGET_COMMUNITY_ID: undefined }, ['WIDGET_COMMUNITY_ID']],
    [{ WIDGET_API_KEY: '' }, ['WIDGET_API_KEY']],
    [{ SESSION_MODE: undefined }, ['SESSION_MODE']],
    [{ SESSION_JWT_SECRET: undefined }, ['SESSION_JWT_JWKS_URL']],
    [{ SESSION_MODE: 'forward-auth' }, ['SESSION_FORWARD_URL']],
    [
      { SESSION_MODE: 'introspection' },
      ['SESSION_INTROSPECTION_URL', 'SESSION_INTROSPECTION_CLIENT_ID', 'SESSION_INTROSPECTION_CLIENT_SECRET'],
    ],
    [{ SESSION_MODE: 'trusted-header' }, ['SESSION_HEADER', 'SESSION_HEADER_PEERS', 'SESSION_HEADER_PROOF']],
    [{ SESSION_MODE: 'express-session' }, ['SESSION_STORE_URL', 'SESSION_SECRET']],
    [{ SESSION_MODE: 'jwt,forward-auth' }, ['SESSION_FORWARD_URL']],
    [{ SESSION_MODE: 'jwt, forward-auth ,' }, ['SESSION_FORWARD_URL']],
    [{ SESSION_MODE: 'trusted-header,' }, ['SESSION_HEADER', 'SESSION_HEADER_PEERS', 'SESSION_HEADER_PROOF']],
  ])('%j is refused, and the error names %j', (environment, names) => {
    const faults = faultsOf(environment)
    expect(faults.map((fault) => fault.split(' ')[0])).toEqual(names)
    for (const fault of faults) expect(fault).toMatch(/is required|needs exactly one of/)
  })

  it('cannot require a verified email of a header, which says nothing about verification', () => {
    const header = {
      SESSION_HEADER: 'x-email',
      SESSION_HEADER_PEERS: '127.0.0.1',
      SESSION_HEADER_PROOF: 'a-proof-of-the-proxy',
    }
    const settings = { SESSION_MODE: 'trusted-header', ...header, SESSION_REQUIRE_VERIFIED_EMAIL: 'true' }
    expect(faultsOf(settings)).toEqual([
      'SESSION_REQUIRE_VERIFIED_EMAIL refuses every user with SESSION_MODE=trusted-header',
    ])
  })

  const forward = { SESSION_MODE: 'forward-auth', SESSION_FORWARD_URL: 'https://app.example.com/me' }
  const byHeader = { ...forward, SESSION_EMAIL_CLAIM: 'header:Remote-Email' }
  const verified = { SESSION_REQUIRE_VERIFIED_EMAIL: 'true' }

  it.each<[Environment, string[]]>([
    [byHeader, []],
    [{ ...byHeader, SESSION_SUBJECT_CLAIM: 'header:Remote-User' }, []],
    [{ ...byHeader, SESSION_MODE: 'jwt' }, ['SESSION_EMAIL_CLAIM']],
    [{ ...byHeader, SESSION_MODE: 'jwt,forward-auth' }, ['SESSION_EMAIL_CLAIM']],
    [{ ...byHeader, SESSION_MODE: 'jwt,forward-auth', SESSION_EMAIL_CLAIM: 'header:Remote-Email,email' }, []],
    [{ ...forward, SESSION_SUBJECT_CLAIM: 'header:Remote-User' }, ['SESSION_EMAIL_CLAIM']],
    [{ ...byHeader, ...verified }, ['SESSION_REQUIRE_VERIFIED_EMAIL']],
    [{ ...forward, ...verified }, []],
    [{ ...forward, ...verified, SESSION_MODE: 'forward-auth,' }, []],
    [{ ...byHeader, ...verified, SESSION_MODE: 'forward-auth,' }, ['SESSION_REQUIRE_VERIFIED_EMAIL']],
    [{ ...verified, SESSION_EMAIL_CLAIM: 'preferred_username' }, ['SESSION_REQUIRE_VERIFIED_EMAIL']],
    [{ ...verified, SESSION_EMAIL_CLAIM: 'preferred_username,user.email' }, []],
  ])(
    '%j is refused because a mode has no claim that it can read, and the error names %j',
    (environment, names) => {
      expect(faultsOf(environment).map((fault) => fault.split(' ')[0])).toEqual(names)
    },
  )

  it('names the three that are always required if the environment is empty', () => {
    expect(() => loadConfig({})).toThrow(
      'The configuration is not usable:\n  WIDGET_COMMUNITY_ID is required.\n  WIDGET_API_KEY is required.\n  SESSION_MODE is required.',
    )
  })
})

const jwks = { SESSION_JWT_SECRET: '', SESSION_JWT_JWKS_URL: 'https://login.example.com/jwks' }
const issuer = { SESSION_JWT_ISSUER: 'https://login.example.com/' }
const audience = { SESSION_JWT_AUDIENCE: 'widgets' }

describe('SESSION_MODE=jwt', () => {
  it.each([
    ['a JWKS without issuer and audience', jwks, ['SESSION_JWT_ISSUER', 'SESSION_JWT_AUDIENCE']],
    ['a JWKS without audience', { ...jwks, ...issuer }, ['SESSION_JWT_AUDIENCE']],
    ['a JWKS without issuer', { ...jwks, ...audience }, ['SESSION_JWT_ISSUER']],
    [
      'a JWKS over plain http',
      { ...jwks, ...issuer, ...audience, SESSION_JWT_JWKS_URL: 'http://planted.example' },
      ['SESSION_JWT_JWKS_URL'],
    ],
    [
      'a JWKS with HS256',
      { ...jwks, ...issuer, ...audience, SESSION_JWT_ALGORITHMS: 'RS256,HS256' },
      ['SESSION_JWT_ALGORITHMS'],
    ],
    [
      'a JWKS and a secret',
      { ...jwks, ...issuer, ...audience, SESSION_JWT_SECRET: 's'.repeat(32) },
      ['SESSION_JWT_JWKS_URL', 'SESSION_JWT_SECRET'],
    ],
    [
      'a PEM that is none',
      { SESSION_JWT_SECRET: '', SESSION_JWT_PUBLIC_KEY: 'planted', ...issuer, ...audience },
      ['SESSION_JWT_PUBLIC_KEY'],
    ],
    [
      'a private PEM',
      { SESSION_JWT_SECRET: '', SESSION_JWT_PUBLIC_KEY: privatePem, ...issuer, ...audience },
      ['SESSION_JWT_PUBLIC_KEY'],
    ],
    [
      'a short RSA key',
      { SESSION_JWT_SECRET: '', SESSION_JWT_PUBLIC_KEY: publicPem(1024), ...issuer, ...audience },
      ['SESSION_JWT_PUBLIC_KEY'],
    ],
    [
      'a key that fits no algorithm',
      {
        SESSION_JWT_SECRET: '',
        SESSION_JWT_PUBLIC_KEY: publicPem(2048),
        ...issuer,
        ...audience,
        SESSION_JWT_ALGORITHMS: 'EdDSA',
      },
      ['SESSION_JWT_PUBLIC_KEY'],
    ],
  ])('refuses %s', (_what, environment, names) => {
    const faults = faultsOf(environment)
    expect([...new Set(faults.map((fault) => fault.split(' ')[0]))]).toEqual(names)
    expect(faults.join('')).not.toMatch(/planted|BEGIN/)
  })

  it('accepts a JWKS with an issuer, and with an audience or an authorized party', () => {
    expect(faultsOf({ ...jwks, ...issuer, ...audience })).toEqual([])
    expect(faultsOf({ ...jwks, ...issuer, SESSION_JWT_AUTHORIZED_PARTY: 'app' })).toEqual([])
  })

  it.each<[string, object, RegExp]>([
    ['no party', { SESSION_JWT_SOURCE: 'cookie:__session' }, /needs SESSION_JWT_AUTHORIZED_PARTY$/],
    ['no cookie', { SESSION_JWT_AUTHORIZED_PARTY: 'https://app.example.com' }, /needs a cookie:NAME/],
  ])('refuses an optional authorized party with %s', (_name, settings, fault) => {
    const optional = { ...jwks, ...issuer, ...audience, SESSION_JWT_AUTHORIZED_PARTY_OPTIONAL: 'true' }
    expect(faultsOf({ ...optional, ...settings })).toEqual([expect.stringMatching(fault)])
  })

  it.each([
    ['SESSION_JWT_SECRET', { SESSION_JWT_SECRET: undefined }, 's'.repeat(32)],
    ['SESSION_HEADER_PROOF', trustedHeader, 'a-proof-of-at-least-16-bytes'],
    ['SESSION_INTROSPECTION_CLIENT_SECRET', introspection, 'a-secret'],
  ])('takes %s in two lines from a file, not from a variable', (name, settings, secret) => {
    const base = { ...settings, [name]: undefined }
    const two = `${secret}\n${secret}2`
    expect(faultsOf({ ...base, [`${name}_FILE`]: file(two) })).toEqual([])
    expect(faultsOf({ ...base, [name]: two })).toEqual([`${name} may have two lines only in ${name}_FILE`])
    expect(faultsOf({ ...base, [`${name}_FILE`]: file(`${two}\n${secret}3`) })).toEqual([
      expect.stringMatching(`^${name} must be one or two lines`),
    ])
  })

  it('takes two PEMs from a file, not three', () => {
    const settings = { SESSION_JWT_SECRET: '', ...issuer, ...audience }
    const two = publicPem(2048) + publicPem(2048)
    expect(faultsOf({ ...settings, SESSION_JWT_PUBLIC_KEY_FILE: file(two) })).toEqual([])
    expect(faultsOf({ ...settings, SESSION_JWT_PUBLIC_KEY_FILE: file(two + publicPem(2048)) })).toEqual([
      expect.stringMatching(/^SESSION_JWT_PUBLIC_KEY must hold one key, or two/),
    ])
    expect(faultsOf({ ...settings, SESSION_JWT_PUBLIC_KEY_FILE: file(two + publicPem(1024)) })).toContain(
      'SESSION_JWT_PUBLIC_KEY must have at least 2048 bits',
    )
  })

  it('needs no key if the issuer is a URL that can be asked for its keys', () => {
    const alone = {
      SESSION_JWT_SECRET: undefined,
      SESSION_JWT_ISSUER: 'https://id.example.com/',
      ...audience,
    }
    expect(faultsOf(alone)).toEqual([])
    expect(load(alone).sessions.modes).toMatchObject([{ key: { discovery: 'https://id.example.com/' } }])
    expect(faultsOf({ ...alone, SESSION_JWT_AUDIENCE: undefined })).toEqual([
      expect.stringMatching(/^SESSION_JWT_AUDIENCE is required/),
    ])
    for (const planted of ['planted', 'http://planted.example', 'https://planted.example/?x=1'])
      expect(faultsOf({ ...alone, SESSION_JWT_ISSUER: planted }).join()).toMatch(
        /^SESSION_JWT_ISSUER must be/,
      )
  })

  it('accepts a PEM from a file or on one line', () => {
    const pem = publicPem(2048)
    const settings = { SESSION_JWT_SECRET: '', ...issuer, ...audience }
    expect(faultsOf({ ...settings, SESSION_JWT_PUBLIC_KEY_FILE: file(pem) })).toEqual([])
    expect(faultsOf({ ...settings, SESSION_JWT_PUBLIC_KEY: pem.replaceAll('\n', '\\n') })).toEqual([])
  })
})

describe('A secret from a file', () => {
  it.each(fromFiles)('%s_FILE excludes %s', (name) => {
    const faults = faultsOf({ [name]: 'planted', [`${name}_FILE`]: file('planted') })
    expect(faults).toContain(`${name} is set together with ${name}_FILE: keep one of them`)
    expect(faults.join('')).not.toContain('planted')
  })

  it.each([
    ['one newline', 'key-1\n', ['key-1']],
    ['one newline of Windows', 'key-1\r\n', ['key-1']],
    ['no newline', 'key-1', ['key-1']],
    ['a second line', 'key-1\nkey-2\n', ['key-1', 'key-2']],
  ])('is read with %s', (_what, content, keys) => {
    expect(load({ WIDGET_API_KEY: '', WIDGET_API_KEY_FILE: file(content) }).signin?.keys).toEqual(keys)
  })

  it.each([
    ['two newlines', 'planted\n\n'],
    ['three lines', 'planted\nplanted\nplanted\n'],
    ['a space at the end', 'planted \n'],
  ])('is refused with %s', (_what, content) => {
    const [fault = '', ...others] = faultsOf({ WIDGET_API_KEY: '', WIDGET_API_KEY_FILE: file(content) })
    expect(fault).toMatch(/^WIDGET_API_KEY (must be one or two lines|ends with a line break)/)
    expect(others).toEqual([])
  })

  it.each([
    [
      'that is not there',
      () => join(directory, 'planted'),
      'WIDGET_API_KEY_FILE names a file that cannot be read (ENOENT)',
    ],
    ['that is a folder', () => directory, 'WIDGET_API_KEY_FILE does not name a regular file'],
    ['that has no end', () => '/dev/zero', 'WIDGET_API_KEY_FILE does not name a regular file'],
    ['that is a pipe', pipe, 'WIDGET_API_KEY_FILE does not name a regular file'],
    [
      'that is larger than 16 KB',
      () => file('x'.repeat(16 * 1024 + 1)),
      'WIDGET_API_KEY_FILE names a file of more than 16 KB',
    ],
    ['that is empty', () => file('\n'), 'WIDGET_API_KEY_FILE names an empty file'],
  ])('%s is reported as the only fault', (_what, path, fault) => {
    expect(faultsOf({ WIDGET_API_KEY: '', WIDGET_API_KEY_FILE: path() })).toEqual([fault])
  })
})

describe('A name of another program', () => {
  it.each([
    'SESSION_MANAGER',
    'WIDGET_BROKER_SERVICE_HOST',
    'WIDGET_BROKER_SERVICE_PORT',
    'WIDGET_BROKER_SERVICE_PORT_HTTP',
    'WIDGET_BROKER_PORT',
    'WIDGET_BROKER_PORT_3000_TCP',
    'SESSION_STORE_PORT_6379_TCP_ADDR',
    'RAI_SERVICE_HOST',
    'PATH',
    'MY_SESSION_MODE',
  ])('%s passes', (name) => {
    expect(faultsOf({ [name]: 'tcp://10.0.0.1:3000' })).toEqual([])
  })

  it('is ignored, as is one of ours with an empty value', () => {
    expect(faultsOf({ SESSION_TYPO: '', PORT: '', ALLOWED_ORIGINS: '' })).toEqual([])
  })
})

const accessKey = {
  RAI_ACCESS_ID: 'id-1',
  RAI_ACCESS_KEY: 'key-1',
  RAI_USER_IDENTIFIERS: 'data-customer-id=sub,data-email=email',
}
const noSignin = { WIDGET_COMMUNITY_ID: '', WIDGET_API_KEY: '' }

describe('The doors of the vendor', () => {
  it('may both be configured completely', () => {
    const { signin, accessKey: door, sessions } = load(accessKey)
    expect(signin).toMatchObject({ communityId: 'community-1' })
    expect(door).toEqual({
      accessId: 'id-1',
      accessKey: 'key-1',
      apiUrl: new URL('https://api-v2.returning.ai'),
    })
    expect(sessions.identity.identifiers).toEqual([
      { name: 'data-customer-id', claim: 'sub' },
      { name: 'data-email', claim: 'email' },
    ])
  })

  it('may be Access Key Embed alone, with a key of its own for subjects', () => {
    expect(load({ ...accessKey, ...noSignin }).signin).toBeUndefined()
    expect(faultsOf({ ...accessKey, ...noSignin, SUBJECT_KEY: '' })).toEqual([
      'SUBJECT_KEY is required without WIDGET_API_KEY',
    ])
  })

  it.each([
    [{ ...accessKey, RAI_ACCESS_KEY: '' }, ['RAI_ACCESS_KEY']],
    [{ ...accessKey, RAI_ACCESS_ID: '' }, ['RAI_ACCESS_ID']],
    [{ ...accessKey, RAI_USER_IDENTIFIERS: '' }, ['RAI_USER_IDENTIFIERS']],
    [{ RAI_USER_IDENTIFIERS: 'data-email=email' }, ['RAI_USER_IDENTIFIERS']],
    [{ ...accessKey, RAI_USER_IDENTIFIERS: 'email=email' }, ['RAI_USER_IDENTIFIERS']],
    [{ ...accessKey, RAI_USER_IDENTIFIERS: 'data-a=b,data-a=c' }, ['RAI_USER_IDENTIFIERS']],
    [{ ...accessKey, RAI_USER_IDENTIFIERS: 'data-a=header:X-A' }, ['RAI_USER_IDENTIFIERS']],
    [{ ...accessKey, WIDGET_COMMUNITY_ID: '' }, ['WIDGET_COMMUNITY_ID']],
    [{ ...accessKey, ...noSignin, WIDGET_API_KEYS: 'a:b' }, ['WIDGET_COMMUNITY_ID', 'WIDGET_API_KEY']],
  ])('are an error when one is incomplete: %j names %j', (environment, names) => {
    expect(faultsOf(environment).map((fault) => fault.split(' ')[0])).toEqual(names)
  })

  it.each([
    ['WIDGET_API_KEY', 'sandbox-widget-api-key', 'WIDGET_BASE_URL'],
    ['WIDGET_API_KEY', 'the-key-of-your-widget', 'WIDGET_BASE_URL'],
    ['WIDGET_API_KEYS', 'store-widget:the-key-of-the-store', 'WIDGET_BASE_URL'],
    ['RAI_ACCESS_KEY', 'sandbox-access-key', 'RAI_API_URL'],
  ])('take the example %s=%s only for a vendor on this machine', (name, value, address) => {
    const settings = { ...accessKey, WIDGET_BASE_URL: '', [name]: value }
    const local = { [address]: 'http://127.0.0.1:4000' }
    expect(faultsOf({ ...settings, ...local })).toEqual([])
    for (const elsewhere of [{}, { [address]: 'https://vendor.example.com' }])
      expect(faultsOf({ ...settings, ...elsewhere })).toEqual([
        expect.stringMatching(`^${name} is an example`),
      ])
  })
})

const subjectKeyOf = (apiKey: string) =>
  load({ SUBJECT_KEY: '', WIDGET_API_KEY: apiKey }).sessions.identity.subjectKey

describe('The defaults', () => {
  it('are the documented ones', () => {
    const {
      sessions,
      vendor,
      subjectKey: _,
      ...config
    } = { ...load({ ALLOWED_ORIGINS: '' }), subjectKey: '' }
    expect(config).toMatchObject({
      listen: { host: '0.0.0.0', port: 3000 },
      allowedOrigins: new Set(),
      trustedProxies: [],
      logLevel: 'info',
      widgets: [],
      tokenCacheMs: 60_000,
      rateLimit: { perMinute: 30, redisUrl: undefined },
      shutdown: { delayMs: 3_000, timeoutMs: 8_000 },
    })
    expect(vendor).toMatchObject({ timeoutMs: 5_000, maxConnections: 128, maxQueue: 1_024 })
    expect(load({ WIDGET_BASE_URL: '' }).vendor.baseUrl.href).toBe('https://prod-widgets.returning.ai/')
    expect(sessions).toMatchObject({
      rememberMs: 30_000,
      modes: [{ mode: 'jwt', source: ['bearer'], algorithms: ['HS256'] }],
      identity: {
        emailClaims: ['email'],
        subjectClaims: ['sub'],
        requireVerifiedEmail: undefined,
        emailDomains: new Set(),
      },
    })
  })

  it('are RS256, ES256 and EdDSA with a JWKS', () => {
    const [mode] = load({ ...jwks, ...issuer, ...audience }).sessions.modes
    expect(mode).toMatchObject({ algorithms: ['RS256', 'ES256', 'EdDSA'] })
  })

  it('are sess: and connect.sid with express-session', () => {
    const store = { SESSION_STORE_URL: 'redis://127.0.0.1:6379', SESSION_SECRET: 'a, b' }
    const [mode] = load({ SESSION_MODE: 'express-session', ...store }).sessions.modes
    expect(mode).toMatchObject({ prefix: 'sess:', cookie: 'connect.sid', secrets: ['a', 'b'] })
  })

  it('read one express-session secret per line of a file', () => {
    const store = { SESSION_STORE_URL: 'redis://127.0.0.1:6379', SESSION_SECRET_FILE: file('a, b\nc\n') }
    const [mode] = load({ SESSION_MODE: 'express-session', ...store }).sessions.modes
    expect(mode).toMatchObject({ secrets: ['a, b', 'c'] })
  })

  it('derive the subject key from the vendor key, and do not equal it', () => {
    expect(subjectKeyOf('key-1')).toBe(subjectKeyOf('key-1'))
    expect(subjectKeyOf('key-1')).not.toBe(subjectKeyOf('key-2'))
    expect(subjectKeyOf('key-1')).not.toContain('key-1')
  })
})

describe('What is accepted', () => {
  it.each<[Environment]>([
    [{ ALLOWED_ORIGINS: 'https://a.example, http://localhost:5173,http://[::1]:8080,' }],
    [{ TRUST_PROXY: '10.0.0.0/8, 192.168.1.1, fd00::/8' }],
    [{ TRUST_PROXY: 'loopback, linklocal, uniquelocal, 203.0.113.9' }],
    [{ ALLOWED_ORIGINS: 'capacitor://localhost,ionic://localhost,tauri://localhost,app://shop' }],
    [{ LOG_LEVEL: 'WARN' }],
    [{ SESSION_JWT_ALGORITHMS: 'HS256,' }],
    [{ WIDGETS: 'channel-widget:64f0c2,store:NjRm=,public:custom-leaderboards:64f1' }],
    [{ WIDGET_API_KEYS: 'store-widget:key:with:colons, social:key-2' }],
    [{ WIDGET_BASE_URL: 'http://127.0.0.1:4000' }],
    [{ SESSION_EMAIL_DOMAINS: 'Example.com, bücher.example' }],
    [{ SESSION_EMAIL_CLAIM: 'https://app.example.com/email' }],
    [{ SESSION_FORWARD_URL: 'http://app:3000/me' }],
    [{ SESSION_FORWARD_URL: 'http://10.1.2.3/me' }],
    [{ SESSION_FORWARD_URL: 'http://app.default.svc:8080/me' }],
    [{ SESSION_FORWARD_URL: 'http://app.default.svc.cluster.local/me' }],
    [{ SESSION_FORWARD_URL: 'http://app.service.consul/me' }],
    [{ SESSION_FORWARD_URL: 'http://app.example.corp/me' }],
    [{ SESSION_FORWARD_URL: 'http://app.lan/me' }],
    [{ SESSION_FORWARD_URL: 'http://app.home.arpa/me' }],
    [{ SESSION_FORWARD_URL: 'http://app.default:8080/me', SESSION_HTTP_HOSTS: 'App.default' }],
    [{ SESSION_INTROSPECTION_URL: 'http://id.example/i', SESSION_HTTP_HOSTS: 'app.default,id.example' }],
    [{ PUBLIC_URL: 'https://app.example.com/widgets/, https://www.example.com' }],
    [{ SESSION_EMAIL_CLAIM: 'email, preferred_username,' }],
    [{ SHUTDOWN_DELAY_MS: '0', SHUTDOWN_TIMEOUT_MS: '0' }],
    [{ HTTPS_PROXY: 'http://user:pass@proxy:3128', NO_PROXY: 'localhost,.internal' }],
  ])('%j', (environment) => {
    expect(faultsOf(environment)).toEqual([])
  })
})
