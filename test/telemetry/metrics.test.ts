import { beforeAll, describe, expect, it, vi } from 'vitest'
import { signSession } from '../peers/broker.ts'
import { startProcess } from '../peers/process.ts'
import { startVendor, type Vendor } from '../peers/vendor.ts'

let vendor: Vendor
let publicUrl: string
let adminUrl: string
let session: string

beforeAll(async () => {
  vendor = await startVendor()
  session = await signSession()
  const broker = await startProcess({ WIDGET_BASE_URL: vendor.url, ADMIN_LISTEN: '127.0.0.1:0' })
  const admin = await broker.findLine('listening_admin')
  adminUrl = `http://127.0.0.1:${String(admin.port)}`
  publicUrl = `http://127.0.0.1:${broker.port}`
})

const ask = (token: string, signal?: AbortSignal) =>
  fetch(`${publicUrl}/widget-token`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    signal,
  })

/** The value of one metric with its labels. */
async function readCount(name: string): Promise<number> {
  const line = (await readMetrics()).split('\n').find((one) => one.startsWith(`${name} `))
  return Number(line?.slice(name.length) ?? 0)
}

const status = async (path: string, method = 'GET') => (await fetch(adminUrl + path, { method })).status

const readMetrics = async () => (await fetch(`${adminUrl}/metrics`)).text()

describe('The admin listener', () => {
  it('counts tokens, sessions, vendor calls and requests, without naming anyone', async () => {
    await ask(session)
    await ask(session)
    await ask('not-a-token')
    await (await fetch(`${publicUrl}/nowhere-at-all`)).text()
    const metrics = await readMetrics()
    for (const line of [
      'token_broker_tokens_issued_total{door="signin",source="vendor"} 1',
      'token_broker_tokens_issued_total{door="signin",source="reused"} 1',
      'token_broker_session_verifications_total{mode="jwt",outcome="accepted"} 2',
      'token_broker_session_verifications_total{mode="jwt",outcome="session_invalid"} 1',
      'token_broker_vendor_requests_total{door="signin",outcome="ok"} 1',
      'token_broker_vendor_requests_total{door="signin",outcome="vendor_auth_failed"} 0',
      'token_broker_vendor_request_duration_seconds_count{door="signin"} 1',
      'token_broker_circuit_open{door="signin"} 0',
      'token_broker_http_requests_total{route="/widget-token",method="POST",status="200"} 2',
      'token_broker_http_request_duration_seconds_count{route="/widget-token"} 3',
      'token_broker_http_requests_total{route="none",method="GET",status="404"} 1',
      'process_cpu_seconds_total',
    ]) {
      expect(metrics).toContain(line)
    }
    expect(metrics).not.toMatch(/ada|nowhere|example\.com|widget-api-key/)
  })

  it('counts a token once as minted, even if the first caller has disconnected', async () => {
    const minted = 'token_broker_tokens_issued_total{door="signin",source="vendor"}'
    const verified = 'token_broker_session_verifications_total{mode="jwt",outcome="accepted"}'
    const gone = 'token_broker_http_requests_total{route="/widget-token",method="POST",status="499"}'
    const before = await readCount(minted)
    const verifiedBefore = await readCount(verified)
    const { asked, release } = vendor.hold()
    const token = await signSession({ sub: 'leaves' })
    const leaving = new AbortController()
    const left = ask(token, leaving.signal)
    await asked
    const stayed = ask(token)
    await vi.waitFor(async () => expect(await readCount(verified)).toBe(verifiedBefore + 2))
    leaving.abort()
    await expect(left).rejects.toThrow('abort')
    await vi.waitFor(async () => expect(await readCount(gone)).toBe(1))
    release()
    expect((await stayed).status).toBe(200)
    expect(await readCount(minted)).toBe(before + 1)
  })

  it('answers the probes, and nothing else', async () => {
    expect(await status('/healthz')).toBe(200)
    expect(await status('/readyz')).toBe(200)
    expect(await status('/metrics', 'POST')).toBe(405)
    expect(await status('/widget-token', 'POST')).toBe(404)
  })

  it('is the only one that serves metrics', async () => {
    expect((await fetch(`${publicUrl}/metrics`)).status).toBe(404)
  })
})
