import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { createTripwire } from '../../src/telemetry/tripwire.ts'
import { validEnvironment } from '../peers/broker.ts'
import { send } from '../peers/exchange.ts'
import { asModule, spawnBroker, startProcess } from '../peers/process.ts'

const secret = 'planted-secret-of-24-chars'
const toLine = (fields: object) => `${JSON.stringify(fields)}\n`
const alarm = {
  level: 'error',
  time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
  event: 'secret_in_log',
  msg: expect.stringContaining('Replace the secret'),
  line: {},
}
const parse = (lines: string) =>
  lines
    .trimEnd()
    .split('\n')
    .map((line): unknown => JSON.parse(line))

describe('The tripwire of the log', () => {
  it('replaces a line with a secret by an alarm, and leaves the lines around it as they are', () => {
    const { guard } = createTripwire([secret])
    const lines = [{ number: 1 }, { number: 2, key: `the key ${secret}!` }, { number: 3 }]
    expect(parse(guard(lines.map(toLine).join('')))).toEqual([{ number: 1 }, alarm, { number: 3 }])
  })

  it('keeps the fields that say who sent a request, except those that contain a secret', () => {
    const { guard } = createTripwire([secret])
    const line = { requestId: secret, event: 'token_issued', subject: 'ann', clientIp: secret, other: 1 }
    expect(parse(guard(toLine(line)))).toEqual([
      { ...alarm, line: { event: 'token_issued', subject: 'ann' } },
    ])
  })

  it('returns lines without a secret unchanged', () => {
    const lines = toLine({ number: 1 }) + toLine({ number: 2 })
    expect(createTripwire([secret]).guard(lines)).toBe(lines)
  })

  it('finds a secret that JSON writes with escapes', () => {
    const { guard } = createTripwire(['planted "quoted" secret\\'])
    expect(parse(guard(toLine({ msg: 'planted "quoted" secret\\' })))).toEqual([alarm])
  })

  it('leaves nothing of a line that has a Unicode line separator in it', () => {
    const written = createTripwire([secret]).guard(toLine({ msg: `${secret}\u2028planted\rrest` }))
    expect(parse(written)).toEqual([alarm])
  })

  it('looks for secrets of 16 characters, but not for shorter ones', () => {
    const { guard } = createTripwire(['a'.repeat(15), 'b'.repeat(16)])
    expect(guard(toLine({ msg: 'a'.repeat(15) }))).toContain('aaa')
    expect(guard(toLine({ msg: 'b'.repeat(16) }))).not.toContain('bbb')
  })

  it('looks for a new secret as well as the old one', () => {
    const { guard, seek } = createTripwire([secret])
    seek(['planted-second-secret'])
    expect(parse(guard(toLine({ a: secret }) + toLine({ b: 'planted-second-secret' })))).toEqual([
      alarm,
      alarm,
    ])
  })
})

describe('The log of a running broker', () => {
  it('holds back a key, even if a client sends it as its request id', async () => {
    const { port, said, findLine } = await startProcess({ WIDGET_API_KEY: secret })
    await send(port, { path: '/nowhere', headers: { 'x-request-id': secret } })
    expect(await findLine('secret_in_log')).toEqual({
      ...alarm,
      line: { method: 'GET', status: 404, code: 'not_found', clientIp: '127.0.0.1' },
    })
    expect(said.stdout).not.toContain(secret)
  })

  it('holds back the key that a file has now, and the one before it', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'key-')), 'key')
    writeFileSync(file, secret)
    const { port, said, findLine } = await startProcess({ WIDGET_API_KEY: '', WIDGET_API_KEY_FILE: file })
    writeFileSync(file, 'planted-second-secret')
    await findLine('api_key_file')
    for (const key of [secret, 'planted-second-secret'])
      await send(port, { path: '/nowhere', headers: { 'x-request-id': key } })
    await vi.waitFor(() => expect(said.stdout.match(/secret_in_log/g)).toHaveLength(2))
    expect(said.stdout).not.toContain('planted-')
  })
})

/** Puts this source in the place of the tripwire. */
const replaceTripwire = (source: string) => {
  const hook = `export async function load(url, context, next) {
    if (!url.endsWith('/telemetry/tripwire.js')) return next(url, context)
    return { format: 'module', shortCircuit: true, source: ${JSON.stringify(source)} }
  }`
  return asModule(`import { register } from 'node:module'; register(${JSON.stringify(asModule(hook))})`)
}

describe('The start', () => {
  it.each([
    ['lets its canary through', '(lines) => lines'],
    ['only adds an alarm', String.raw`(lines) => lines.replace('\n', '\n{"event":"secret_in_log"}\n')`],
    ['swallows the lines around it', "() => 'secret_in_log'"],
  ])('fails if the tripwire %s', async (_what, guard) => {
    const broken = `export const createTripwire = () => ({ guard: ${guard}, seek() {} })
      export const holdsSecret = () => false`
    const options = { nodeArgs: ['--import', replaceTripwire(broken)] }
    const { ended, said } = spawnBroker({ ...validEnvironment, HOST: '127.0.0.1', PORT: '0' }, options)
    expect((await ended).code).toBe(1)
    expect(said).toEqual({ stdout: '', stderr: 'The log does not hold secrets back.\n' })
  })

  it.each([
    ['the settings that the page shows', { WIDGETS: `channel-widget:${secret}` }, '/config.json'],
    ['a public file', { SUBJECT_KEY: 'RETURNINGAI_WIDGET_REQUEST_TOKEN' }, '/bridge.js'],
  ])('fails if a secret is in %s, and says where', async (_what, settings, path) => {
    const environment = { ...validEnvironment, WIDGET_API_KEY: secret, HOST: '127.0.0.1', PORT: '0' }
    const { ended, said } = spawnBroker({ ...environment, ...settings })
    expect((await ended).code).toBe(1)
    expect(said.stdout).toBe('')
    expect(said.stderr).toContain(`  ${path} `)
    expect(said.stderr).not.toMatch(/planted-|RETURNINGAI/)
  })
})
