import { createServer } from 'node:http'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts'
import { startBroker, type RunningBroker } from '../peers/broker.ts'
import { listen } from '../peers/listen.ts'
import { startProcess } from '../peers/process.ts'

const probeEmail = 'probe@example.com'
let sandbox: Sandbox
let environment: Record<string, string>

beforeEach(async () => {
  sandbox = createSandbox({ communityId: 'community-1', apiKeys: ['widget-api-key-1'] })
  const vendor = await listen(createServer(sandbox.app))
  environment = { WIDGET_BASE_URL: vendor, RAI_API_URL: vendor, WIDGET_PROBE_EMAIL: probeEmail }
})

const accessKey = {
  RAI_ACCESS_ID: 'sandbox-access-id',
  RAI_ACCESS_KEY: 'sandbox-access-key',
  RAI_USER_IDENTIFIERS: 'data-email=email',
}

const probesIn = (broker: RunningBroker) => broker.logLines().filter(({ event }) => event === 'vendor_probe')

/** A broker whose probe has ended so many times. */
async function startProbed(changes: Record<string, string> = {}, times = 1) {
  const broker = await startBroker({ ...environment, ...changes })
  await vi.waitFor(() => expect(probesIn(broker)).toHaveLength(times))
  return broker
}

function useFakeIntervals(): void {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
}

describe('The probe', () => {
  it('signs the test user in at start through every door, and logs one line for each', async () => {
    const broker = await startProbed(accessKey, 2)
    const lines = probesIn(broker).map(({ level, door, outcome }) => ({ level, door, outcome }))
    expect(lines).toEqual(
      expect.arrayContaining([
        { level: 'info', door: 'signin', outcome: 'ok' },
        { level: 'info', door: 'access_key', outcome: 'ok' },
      ]),
    )
    expect(sandbox.requests).toHaveLength(2)
    expect(JSON.stringify(sandbox.requests)).toContain(probeEmail)
    expect(broker.logText()).not.toContain(probeEmail)
  })

  it('does nothing unless a test user is configured', async () => {
    const broker = await startBroker({ ...environment, WIDGET_PROBE_EMAIL: '' })
    expect((await broker.askToken()).status).toBe(200)
    expect(sandbox.requests).toHaveLength(1)
    expect(probesIn(broker)).toEqual([])
  })

  it('signs in again every five minutes', async () => {
    useFakeIntervals()
    const broker = await startProbed()
    vi.advanceTimersByTime(299_999)
    expect(sandbox.requests).toHaveLength(1)
    vi.advanceTimersByTime(1)
    await vi.waitFor(() => expect(probesIn(broker)).toHaveLength(2))
    expect(sandbox.requests).toHaveLength(2)
  })

  it('reports a refused key at once as an error, without an effect on readiness', async () => {
    const broker = await startProbed({ WIDGET_API_KEY: 'widget-api-key-2' })
    expect(probesIn(broker)).toMatchObject([
      { level: 'error', door: 'signin', code: 'vendor_rejected_credentials', outcome: 'vendor_auth_failed' },
    ])
    expect((await fetch(`${broker.url}/readyz`)).status).toBe(200)
  })

  it('reports a refused key of a widget type', async () => {
    const broker = await startProbed({ WIDGET_API_KEYS: 'store-widget:widget-api-key-2' })
    expect(probesIn(broker)).toMatchObject([
      { level: 'error', door: 'signin', outcome: 'vendor_auth_failed' },
    ])
  })

  it('warns of an outage of the vendor', async () => {
    const broker = await startProbed({ WIDGET_BASE_URL: 'http://127.0.0.1:9' })
    expect(probesIn(broker)).toMatchObject([
      { level: 'warn', door: 'signin', code: 'vendor_unavailable', outcome: 'connect_refused' },
    ])
  })

  it('skips a door that needs more than the email, says why once, and probes the other', async () => {
    useFakeIntervals()
    const identifiers = 'data-email=email,data-customer-id=sub'
    const broker = await startProbed({ ...accessKey, RAI_USER_IDENTIFIERS: identifiers }, 2)
    const skipped = probesIn(broker).filter(({ door }) => door === 'access_key')
    expect(skipped).toMatchObject([
      {
        level: 'info',
        outcome: 'skipped',
        claim: 'sub',
        msg: expect.stringContaining('RAI_USER_IDENTIFIERS'),
      },
    ])
    vi.advanceTimersByTime(300_000)
    await vi.waitFor(() => expect(probesIn(broker)).toHaveLength(3))
    expect(probesIn(broker).at(-1)).toMatchObject({ door: 'signin', outcome: 'ok' })
  })

  it('tries a new key as soon as its file has changed', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'key-')), 'key')
    writeFileSync(file, 'widget-api-key-1')
    const broker = await startProbed({ WIDGET_API_KEY: '', WIDGET_API_KEY_FILE: file })
    writeFileSync(file, 'mistyped-api-key')
    await vi.waitFor(() => expect(probesIn(broker)).toHaveLength(2), 10_000)
    expect(probesIn(broker)[1]).toMatchObject({ level: 'error', outcome: 'vendor_auth_failed' })
  })

  it('stops with the broker, and does not report an interrupted sign-in as a failure', async () => {
    useFakeIntervals()
    sandbox.faults.set('timeout', 1)
    const broker = await startBroker({ ...environment, WIDGET_API_KEYS: '' })
    await vi.waitFor(() => expect(sandbox.requests).toHaveLength(1))
    await broker.close()
    vi.advanceTimersByTime(900_000)
    expect(vi.getTimerCount()).toBe(0)
    expect(sandbox.requests).toHaveLength(1)
    expect(probesIn(broker)).toEqual([])
  })
})

describe('The metric of the probe', () => {
  it('is 1 for a door that issued a token, and 0 for one that did not', async () => {
    const settings = { ...environment, ...accessKey, RAI_ACCESS_KEY: 'sandbox-access-key-2' }
    const broker = await startProcess({ ...settings, ADMIN_LISTEN: '127.0.0.1:0' })
    const { port } = await broker.findLine('listening_admin')
    const read = async () => (await fetch(`http://127.0.0.1:${String(port)}/metrics`)).text()
    await vi.waitFor(async () => {
      const metrics = await read()
      expect(metrics).toContain('token_broker_probe_ok{door="signin"} 1')
      expect(metrics).toContain('token_broker_probe_ok{door="access_key"} 0')
    })
    expect(await read()).not.toContain(probeEmail)
  })
})
