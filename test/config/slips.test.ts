import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ConfigError, loadConfig } from '../../src/config/config.ts'
import { findCutValues } from '../../src/config/slips.ts'
import { fromFiles } from '../../src/config/variables.ts'
import { sampleCredentials } from '../../src/sandbox/credentials.ts'
import { validEnvironment } from '../peers/broker.ts'

type Environment = Record<string, string | undefined>

function faultsOf(environment: Environment): string[] {
  try {
    loadConfig({ ...validEnvironment, ...environment })
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.faults.map(({ name, message }) => `${name} ${message}`)
  }
}

describe('A value that a tool has spoiled is one fault, by name and without the value', () => {
  it.each([
    ['PORT', '"3000"', 'is wrapped in quotes'],
    ['WIDGET_API_KEY', "'planted'", 'is wrapped in quotes'],
    ['WIDGET_API_KEY', '"planted', 'starts or ends with a quote'],
    ['SESSION_JWT_SECRET', `${'planted'.repeat(6)}\n`, 'ends with a line break'],
    ['WIDGET_API_KEY', 'planted\r\n', 'ends with a line break'],
    ['WIDGET_API_KEY', '\ufeffplanted', 'starts or ends with a byte order mark'],
    ['SESSION_JWT_SECRET', `${'planted'.repeat(6)}\ufeff`, 'starts or ends with a byte order mark'],
    ['SESSION_JWT_SECRET', `${'planted'.repeat(6)}\ufeff\n`, 'starts or ends with a byte order mark'],
    ['WIDGET_API_KEY', '\ufffd\ufffdp\0l\0', 'is not UTF-8 text'],
    ['SESSION_MODE', '"jwt"', 'is wrapped in quotes'],
  ])('%s=%j', (name, value, message) => {
    const faults = faultsOf({ [name]: value })
    expect(faults).toEqual([expect.stringMatching(`^${name} ${message}`)])
    expect(faults.join('')).not.toContain('planted')
  })

  it('unless it is the line break at the end of a PEM in a variable', () => {
    expect(faultsOf({ SESSION_JWT_PUBLIC_KEY: 'planted\n' }).join('')).not.toContain('line break')
  })
})

describe('A value that .env cuts off', () => {
  it.each([
    ['WIDGET_API_KEY=abc#def', ['WIDGET_API_KEY']],
    ['export SESSION_SECRET = abc#def', ['SESSION_SECRET']],
    ['A=1\nWIDGET_API_KEY=abc#def # a comment\nB=2', ['WIDGET_API_KEY']],
    ['WIDGET_API_KEY=abc # a comment', []],
    ['WIDGET_API_KEY="abc#def"', []],
    ["WIDGET_API_KEY='abc#def'", []],
    ['# WIDGET_API_KEY=abc#def', []],
    ['W\0I\0D\0G\0E\0T\0', ['.env']],
  ])('%j names %j', (text, names) => {
    expect(findCutValues(text, {}).map(({ name }) => name)).toEqual(names)
  })

  it('is not a fault if the environment overrides it', () => {
    expect(findCutValues('WIDGET_API_KEY=abc#def', { WIDGET_API_KEY: 'key' })).toEqual([])
  })
})

describe('A mistyped name', () => {
  it.each([
    ['SESSION_JWT_SECRETT', 'did you mean SESSION_JWT_SECRET?'],
    ['WIDGET_APIKEY', 'did you mean WIDGET_API_KEY?'],
    ['SESSION_MODES', 'did you mean SESSION_MODE?'],
    ['WIDGET_API_KEY_FLIE', 'did you mean WIDGET_API_KEY_FILE?'],
    ['SESSION_SOMETHING_ELSE_ALTOGETHER', 'is not a known setting'],
  ])('%s: %s', (name, message) => {
    expect(faultsOf({ [name]: 'x' })).toEqual([expect.stringContaining(message)])
  })

  it.each([
    [{ ALLOWED_ORIGIN: 'https://app.example.com', ALLOWED_ORIGINS: '' }, ['ALLOWED_ORIGIN']],
    [{ TRUSTED_PROXIES: '10.0.0.1', LOGLEVEL: 'debug' }, ['TRUSTED_PROXIES', 'LOGLEVEL']],
    [{ ALLOWED_ORIGIN: 'https://app.example.com' }, []],
    [{ REDIS_URI: '' }, []],
  ])('without our prefix is a warning: %j warns of %j', (environment, names) => {
    const { warnings } = loadConfig({ ...validEnvironment, ...environment })
    expect(warnings.map(({ name }) => name)).toEqual(names)
  })
})

describe('A list', () => {
  it.each([
    [{ TRUST_PROXY: '10.0.0.1,planted,10.0.0.2' }, / \(entry 2 is not\)$/],
    [{ TRUST_PROXY: 'planted' }, /allowed\)$/],
    [{ SESSION_MODE: 'jwt,planted' }, / \(entry 2 is not\)$/],
  ])('%j names the number of the entry', (environment, message) => {
    expect(faultsOf(environment)).toEqual([expect.stringMatching(message)])
  })
})

describe('The proxy', () => {
  it.each<[Environment, { https?: string; no?: string }]>([
    [
      { https_proxy: 'http://p:1', no_proxy: 'localhost' },
      { https: 'http://p:1', no: 'localhost' },
    ],
    [
      { https_proxy: 'http://p:1', HTTPS_PROXY: 'http://q:1' },
      { https: 'http://q:1', no: undefined },
    ],
    [{ https_proxy: '' }, { https: undefined, no: undefined }],
  ])('%j', (environment, proxy) => {
    expect(loadConfig({ ...validEnvironment, ...environment }).proxy).toEqual(proxy)
  })
})

const root = new URL('../../', import.meta.url)
const guides = readdirSync(new URL('docs', root)).filter((name) => name.endsWith('.md'))
const documentation = ['README.md', '.env.example', ...guides.map((name) => `docs/${name}`)].map((name) =>
  readFileSync(new URL(name, root), 'utf8'),
)
const examples = documentation.flatMap((text) =>
  [...text.matchAll(/^(?:# )?([A-Z_]+)=(\S.*)$/gm)].filter(([, name = '']) => fromFiles.includes(name)),
)
const examplesOfSecrets = examples
  .map(([, name = '', value = '']) => [name, value] as const)
  .filter(([, value]) => !value.includes('://') && !value.includes('BEGIN'))

describe('An example of a secret', () => {
  it.each([...examplesOfSecrets, ['WIDGET_API_KEY', sampleCredentials.apiKey] as const])(
    '%s=%s is refused, but not with the sandbox',
    (name, value) => {
      const only = name.startsWith('RAI_') ? /documentation/ : /documentation|ASCII/
      const faults = faultsOf({ WIDGET_BASE_URL: 'https://widgets.example', [name]: value })
      expect(faults.filter((fault) => fault.startsWith(`${name} `) && only.test(fault))).not.toEqual([])
      expect(faultsOf({ RAI_API_URL: 'http://127.0.0.1:4000', [name]: value }).join('')).not.toContain(
        'documentation',
      )
    },
  )
})
