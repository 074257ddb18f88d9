import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { causeOf, explainedCodes } from '../../public/causes.js'
import { problemCodes } from '../../src/problems.ts'
import { version } from '../../src/routes/page.ts'
import { startBroker, useBroker } from '../peers/broker.ts'
import { expectProblem } from '../peers/promises.ts'
import { send } from '../peers/exchange.ts'

const root = new URL('../../', import.meta.url)
const files = readdirSync(new URL('public/', root)).filter((name) => /\.(js|css)$/.test(name))
const pagePaths = ['/', '/config.json', ...files.map((name) => `/${name}`)]
const scriptPaths = ['bridge', 'embed'].flatMap((name) => [`/${name}.js`, `/${name}-${version}.js`])

const { broker, vendor } = await useBroker()
const off = await startBroker({ WIDGET_BASE_URL: vendor.url, STATUS_PAGE: 'off' })

describe('The page', () => {
  it.each([...pagePaths, ...scriptPaths])('is served with %s', async (path) => {
    expect((await send(broker.port, { path })).status).toBe(200)
  })

  it('has a configuration that names both doors, and the origin where the SDK tags validate their tokens', async () => {
    const both = await startBroker({
      RAI_ACCESS_ID: 'access-id-1',
      RAI_ACCESS_KEY: 'access-key-of-the-tests-1',
      RAI_USER_IDENTIFIERS: 'data-customer-id=sub',
    })
    const { body } = await send(both.port, { path: '/config.json' })
    expect(JSON.parse(body)).toMatchObject({
      doors: ['signin', 'access_key'],
      communityId: 'community-1',
      apiOrigin: 'https://api-v2.returning.ai',
    })
    expect(body).not.toMatch(/access-id-1|access-key-of-the-tests-1|widget-api-key-1/)
  })
})

describe('With STATUS_PAGE=off', () => {
  it.each(pagePaths)('%s is 404', async (path) => {
    expectProblem(await send(off.port, { path }), 404, 'not_found')
  })

  it.each([...scriptPaths, '/healthz'])('%s is still served', async (path) => {
    expect((await send(off.port, { path })).status).toBe(200)
  })

  it('a session still gets a token', async () => {
    expect((await off.askToken()).status).toBe(200)
  })
})

describe('The page explains', () => {
  /** The codes of the events that have no problem document behind them, as the bridge's sources and types name them. */
  const sources = readdirSync(new URL('src/bridge/', root), { encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(new URL(`src/bridge/${name}`, root), 'utf8'))
  const inSources = sources.flatMap((text) =>
    [...text.matchAll(/\bcode\b.*/g)].flatMap(([line]) => [...line.matchAll(/'([a-z_]+)'/g)]),
  )
  const types = readFileSync(new URL('public/bridge.d.ts', root), 'utf8')
  const documented = /The broker's problem code, or (.*)\. \*\//.exec(types)![1]!.matchAll(/`(\w+)`/g)
  const ofBridge = [...inSources, ...documented]
    .map(([, code = '']) => code)
    .filter((code) => !['string', 'function', 'session'].includes(code))

  it.each([...problemCodes, ...new Set(ofBridge)])('%s', (code) => {
    expect(explainedCodes).toContain(code)
  })

  it('the codes that the bridge itself reports', () => {
    expect(new Set(ofBridge)).toEqual(
      new Set(['network', 'no_token', 'token_refused', 'headers', 'session_missing']),
    )
  })

  it('no code that does not exist', () => {
    const given = new Set([...problemCodes, ...ofBridge])
    expect(explainedCodes.filter((code) => !given.has(code))).toEqual([])
  })

  it.each([
    ['http_502', 'The proxy cannot reach the broker.'],
    ['http_404', 'A proxy answered with status 404.'],
    ['constructor', 'The broker refused the request.'],
  ])('%s: %s', (code, say) => {
    expect(causeOf(code).say).toBe(say)
  })

  it('each code with settings that exist', async () => {
    const settings = readFileSync(new URL('docs/settings.md', root), 'utf8')
    const named = explainedCodes.flatMap((code) => causeOf(code).fix.match(/[A-Z]+(?:_[A-Z]+)+/g) ?? [])
    expect(named.length).toBeGreaterThan(20)
    expect(named.filter((name) => !settings.includes(`\`${name}\``))).toEqual([])
  })
})
