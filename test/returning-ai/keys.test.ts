import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { signSession, startBroker, type RunningBroker } from '../peers/broker.ts'
import { startVendor, type Vendor } from '../peers/vendor.ts'

// The ids are the first eight hex digits of the keys' SHA-256.
const ids = { 'widget-key-a': 'ee89d0f5', 'widget-key-b': '72002000' }
const fresh = { 'cache-control': 'no-cache' }

let folder: string
let file: string
let vendor: Vendor
let broker: RunningBroker

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keys-'))
  file = join(folder, 'key')
  vendor = await startVendor()
})

async function start(content: string, path = file, env = {}) {
  writeFileSync(path, content)
  await open(path, env)
}

async function open(path: string, env = {}) {
  const files = { WIDGET_API_KEY: undefined, WIDGET_API_KEY_FILE: path }
  broker = await startBroker({ WIDGET_BASE_URL: vendor.url, RATE_LIMIT_PER_MINUTE: '1000', ...files, ...env })
}

function replaceByRename(content: string): void {
  writeFileSync(`${file}.new`, content)
  renameSync(`${file}.new`, file)
}

/** The vendor accepts only these keys, and answers others like a revoked one. */
function take(...keys: string[]): void {
  vendor.answerWith((response, request) => {
    if (keys.includes(String(request.headers['returningai-api-key'])))
      return vendor.giveToken(response, request)
    response.writeHead(401).end()
  })
}

const usedKeys = () => vendor.requests.map(({ headers }) => headers['returningai-api-key'])
const eventsOf = (name: string) => broker.logLines().filter(({ event }) => event === name)
const withinTwoSeconds = { timeout: 2000, interval: 20 }
const fileEvents = (count: number) =>
  vi.waitFor(() => expect(eventsOf('api_key_file')).toHaveLength(count), withinTwoSeconds)

describe('WIDGET_API_KEY_FILE', () => {
  it('replaced by rename is in use within two seconds, and the log says so by key id', async () => {
    await start('widget-key-a\n')
    await broker.askToken(fresh)
    replaceByRename('widget-key-b\n')
    await fileEvents(1)
    await broker.askToken(fresh)
    expect(usedKeys()).toEqual(['widget-key-a', 'widget-key-b'])
    expect(eventsOf('api_key_file')).toMatchObject([{ level: 'info', keyIds: [ids['widget-key-b']] }])
    expect(eventsOf('token_issued').map(({ keyId }) => keyId)).toEqual(Object.values(ids))
  })

  it('behind a symlink that is swapped, as Kubernetes does, is in use within two seconds', async () => {
    for (const version of ['a', 'b']) {
      mkdirSync(join(folder, version))
      writeFileSync(join(folder, version, 'key'), `widget-key-${version}`)
    }
    symlinkSync('a', join(folder, '..data'))
    symlinkSync(join('..data', 'key'), file)
    await open(file)
    symlinkSync('b', join(folder, '..data.new'))
    renameSync(join(folder, '..data.new'), join(folder, '..data'))
    await fileEvents(1)
    await broker.askToken(fresh)
    expect(usedKeys()).toEqual(['widget-key-b'])
  })

  it.each([
    ['is empty', () => writeFileSync(file, ''), 'malformed'],
    ['has three lines', () => replaceByRename('widget-key-a\nwidget-key-b\nwidget-key-c\n'), 'malformed'],
    ['holds a placeholder', () => replaceByRename('changeme'), 'malformed'],
    ['holds what no header can carry', () => replaceByRename('widget-k\u00e9y'), 'malformed'],
    ['is gone', () => rmSync(file), 'unreadable'],
  ])('that %s leaves the old key in use, and logs one error', async (_name, spoil, outcome) => {
    await start('widget-key-a')
    spoil()
    await fileEvents(1)
    expect(eventsOf('api_key_file')).toMatchObject([
      { level: 'error', outcome, keyIds: [ids['widget-key-a']] },
    ])
    expect((await broker.askToken(fresh)).status).toBe(200)
    writeFileSync(file, 'widget-key-b')
    await fileEvents(2)
    await broker.askToken(fresh)
    expect(usedKeys()).toEqual(['widget-key-a', 'widget-key-b'])
  })

  it('that is rotated under load fails no request', async () => {
    await start('widget-key-a\nwidget-key-b\n')
    take('widget-key-a', 'widget-key-b')
    const crowd = { rotated: false }
    const statuses: number[] = []
    const ask = async () => {
      while (!crowd.rotated) statuses.push((await broker.askToken(fresh)).status)
    }
    const users = Array.from({ length: 4 }, ask)
    await broker.askToken()
    take('widget-key-b', 'widget-key-c')
    replaceByRename('widget-key-b\nwidget-key-c\n')
    await fileEvents(1)
    await broker.askToken()
    crowd.rotated = true
    await Promise.all(users)
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(usedKeys().at(-1)).toBe('widget-key-b')
  })
})

describe('A withdrawn key', () => {
  let authorization: string

  beforeEach(async () => {
    authorization = `Bearer ${await signSession()}`
  })

  const ask = async (path?: string) => {
    const answer = await broker.askToken({ authorization }, path)
    return { status: answer.status, ...((await answer.json()) as { token: string }) }
  }

  it('ends the reuse of what it minted within two seconds, without a failed request', async () => {
    await start('widget-key-a')
    const before = await ask()
    replaceByRename('widget-key-b\nwidget-key-a')
    await fileEvents(1)
    expect((await ask()).token).toBe(before.token)
    const crowd = { rotated: false }
    const statuses: number[] = []
    const users = Array.from({ length: 4 }, async () => {
      while (!crowd.rotated) statuses.push((await ask()).status)
    })
    replaceByRename('widget-key-b')
    await fileEvents(2)
    const after = await ask()
    crowd.rotated = true
    await Promise.all(users)
    expect(after.token).not.toBe(before.token)
    expect((await ask()).token).toBe(after.token)
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(usedKeys()).toEqual(['widget-key-a', 'widget-key-b'])
  })

  it('of one widget type ends the reuse of what it minted, and of no other type', async () => {
    const pairs = join(folder, 'pairs')
    writeFileSync(pairs, 'store-widget:store-key-a')
    await start('widget-key-a', file, { WIDGET_API_KEYS_FILE: pairs })
    const paths = ['/widget-token?widget=store-widget', '/widget-token']
    const before = [await ask(paths[0]), await ask(paths[1])]
    writeFileSync(pairs, 'store-widget:store-key-b')
    await vi.waitFor(() => expect(eventsOf('secret_file')).toHaveLength(1), withinTwoSeconds)
    const after = [await ask(paths[0]), await ask(paths[1])]
    expect(after.map(({ token }, index) => token === before[index]!.token)).toEqual([false, true])
    expect(usedKeys()).toEqual(['store-key-a', 'widget-key-a', 'store-key-b'])
  })
})

describe('The second key', () => {
  it('is used when the vendor refuses the first, which then costs no further call', async () => {
    await start('widget-key-a\nwidget-key-b')
    take('widget-key-b')
    for (let mint = 0; mint < 3; mint += 1) expect((await broker.askToken(fresh)).status).toBe(200)
    expect(usedKeys()).toEqual(['widget-key-a', 'widget-key-b', 'widget-key-b', 'widget-key-b'])
    expect(new Set(eventsOf('token_issued').map(({ keyId }) => keyId))).toEqual(
      new Set([ids['widget-key-b']]),
    )
  })

  it('gives way to a new first key at once, however recently it was needed', async () => {
    await start('widget-key-a\nwidget-key-b')
    take('widget-key-b', 'widget-key-c')
    await broker.askToken(fresh)
    replaceByRename('widget-key-c\nwidget-key-b')
    await fileEvents(1)
    await broker.askToken(fresh)
    expect(usedKeys()).toEqual(['widget-key-a', 'widget-key-b', 'widget-key-c'])
  })

  it('is used only for a refused key', async () => {
    await start('widget-key-a\nwidget-key-b')
    vendor.answerWith((response) => void response.writeHead(404).end())
    await broker.askToken()
    expect(usedKeys()).toEqual(['widget-key-a'])
  })

  it('shares the deadline of the first', async () => {
    await start('widget-key-a\nwidget-key-b', file, { VENDOR_TIMEOUT_MS: '400' })
    vendor.answerWith((response, { headers }) => {
      if (headers['returningai-api-key'] === 'widget-key-a')
        setTimeout(() => response.writeHead(401).end(), 300)
    })
    expect(await (await broker.askToken()).json()).toMatchObject({ code: 'vendor_timeout' })
    expect(Number(broker.logLines().at(-1)?.durationMs)).toBeLessThan(700)
  })
})

describe('A refused key', () => {
  it('causes one error line a minute with its id, however many requests there are', async () => {
    await start('widget-key-a')
    take()
    for (let mint = 0; mint < 5; mint += 1) {
      expect(await (await broker.askToken(fresh)).json()).toMatchObject({
        status: 500,
        code: 'vendor_rejected_credentials',
      })
    }
    expect(eventsOf('vendor_rejected_credentials')).toMatchObject([
      {
        level: 'error',
        keyId: ids['widget-key-a'],
        vendorStatus: 401,
        msg: expect.stringContaining('WIDGET_API_KEY'),
      },
    ])
    expect(broker.logText()).not.toContain('widget-key-a')
  })
})
