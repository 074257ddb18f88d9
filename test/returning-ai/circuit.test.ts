import { beforeEach, describe, expect, it } from 'vitest'
import { Problem } from '../../src/problems.ts'
import { createCircuit, type Circuit } from '../../src/returning-ai/circuit.ts'
import { VendorProblem } from '../../src/returning-ai/refusals.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'

let nowMs: number
let circuit: Circuit
let changes: boolean[]

beforeEach(() => {
  nowMs = 1_000
  changes = []
  circuit = createCircuit({
    logger: silentLogger,
    now: () => nowMs,
    changed: (open) => void changes.push(open),
  })
})

type End = 'success' | 'outage' | 'refusal' | 'nothing'

const ends: Record<End, () => Promise<string>> = {
  success: () => Promise.resolve('success'),
  outage: () => Promise.reject(new VendorProblem({ code: 'vendor_unavailable', outage: true }, {})),
  refusal: () => Promise.reject(new VendorProblem({ code: 'vendor_rejected_request', outage: false }, {})),
  nothing: () => Promise.reject(new VendorProblem({ code: 'overloaded' }, {})),
}

/** How a user's call ended, or the circuit's own word. */
async function call(user: string, end: End | Promise<string> = 'success'): Promise<string> {
  try {
    return await circuit.run(user, () => (typeof end === 'string' ? ends[end]() : end))
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return error.diagnosis.outcome ?? error.code
  }
}

/** A call's end that the test decides on later. */
function defer() {
  let resolve!: (value: string) => void
  let reject!: (reason: Error) => void
  const promise = new Promise<string>((...settle) => {
    ;[resolve, reject] = settle
  })
  return { promise, resolve, reject }
}

async function crowd(count: number, end: End, name = 'user'): Promise<void> {
  for (let nth = 0; nth < count; nth += 1) await call(`${name}-${nth}`, end)
}

async function open(): Promise<void> {
  await crowd(10, 'outage')
  expect(changes).toEqual([true])
}

describe('The circuit', () => {
  it('opens when ten users called and the last call of half of them failed', async () => {
    await crowd(5, 'success', 'happy')
    await crowd(4, 'outage')
    expect(changes).toEqual([])
    await call('the tenth', 'outage')
    expect(changes).toEqual([true])
    expect(await call('another')).toBe('circuit_open')
  })

  it('stays closed for nine users whose calls all fail', async () => {
    for (let round = 0; round < 20; round += 1) await crowd(9, 'outage')
    expect(changes).toEqual([])
  })

  it('stays closed while the last calls of fewer than half fail', async () => {
    await crowd(11, 'success', 'happy')
    await crowd(10, 'outage')
    expect(changes).toEqual([])
  })

  it('counts one user as one failure, however often the call fails', async () => {
    await crowd(9, 'success', 'happy')
    for (let nth = 0; nth < 1_000; nth += 1) await call('one', 'outage')
    expect(changes).toEqual([])
  })

  it('no longer counts a user whose next call succeeds', async () => {
    await crowd(9, 'outage')
    await crowd(9, 'success')
    await call('another', 'outage')
    expect(changes).toEqual([])
  })

  it.each([
    [9_000, [true]],
    [11_000, []],
  ])('after nine failures %i ms ago and one now has changed as %j', async (agoMs, expected) => {
    await crowd(9, 'outage')
    nowMs += agoMs
    await call('another', 'outage')
    expect(changes).toEqual(expected)
  })

  it.each(['refusal', 'nothing'] as const)('is not opened by calls whose outcome is %s', async (end) => {
    await crowd(50, end)
    expect(changes).toEqual([])
  })

  it('considers at most the last thousand users', async () => {
    await crowd(1_100, 'success', 'happy')
    await crowd(500, 'outage')
    expect(changes).toEqual([true])
  })
})

describe('An open circuit', () => {
  beforeEach(open)

  it('makes no call for five seconds, and then one', async () => {
    nowMs += 4_999
    expect(await call('another')).toBe('circuit_open')
    nowMs += 1
    expect(await call('another')).toBe('success')
    expect(changes).toEqual([true, false])
  })

  it('prefers as its probe, for half a second, a user whose last call did not fail', async () => {
    nowMs += 5_499
    expect(await call('user-0')).toBe('circuit_open')
    expect(await call('another')).toBe('success')
    expect(changes).toEqual([true, false])
  })

  it('accepts any user after that, because an outage makes the calls of all users fail', async () => {
    nowMs += 5_500
    expect(await call('user-0')).toBe('success')
    expect(changes).toEqual([true, false])
  })

  it('does not accept a user whose probe failed less than ten seconds ago', async () => {
    nowMs += 5_500
    await call('user-0', 'outage')
    nowMs += 5_500
    expect(await call('user-0')).toBe('circuit_open')
    nowMs += 4_499
    expect(await call('user-0')).toBe('circuit_open')
    nowMs += 1
    expect(await call('user-0')).toBe('success')
  })

  it('refuses all other users while the probe is in progress', async () => {
    nowMs += 5_000
    const probe = defer()
    const probing = call('another', probe.promise)
    expect(await call('a third')).toBe('circuit_open')
    probe.resolve('late')
    expect(await probing).toBe('late')
    expect(await call('a third')).toBe('success')
  })

  it('stays open for five more seconds when the probe fails', async () => {
    nowMs += 5_000
    await call('another', 'outage')
    nowMs += 4_999
    expect(await call('a third')).toBe('circuit_open')
    nowMs += 1
    expect(await call('a third')).toBe('success')
    expect(changes).toEqual([true, true, false])
  })

  it('closes when the vendor refuses the probe, because the vendor then works', async () => {
    nowMs += 5_000
    await call('another', 'refusal')
    expect(changes).toEqual([true, false])
  })

  it('lets the next user probe at once after an inconclusive probe', async () => {
    nowMs += 5_000
    await call('another', 'nothing')
    expect(changes).toEqual([true])
    expect(await call('a third')).toBe('success')
  })

  it('starts counting again once it has closed', async () => {
    nowMs += 5_000
    await call('another')
    await crowd(9, 'outage')
    expect(changes).toEqual([true, false])
  })
})

describe('A call that began before the outage', () => {
  it('and fails after the recovery does not count against the vendor', async () => {
    const hanging = defer()
    const old = Array.from({ length: 20 }, (_, nth) => call(`patient-${nth}`, hanging.promise))
    await open()
    nowMs += 5_000
    await call('another')
    hanging.reject(new VendorProblem({ code: 'vendor_timeout', outage: true }, {}))
    await Promise.all(old)
    expect(changes).toEqual([true, false])
  })

  it('does not close an open circuit, nor keep it open for longer', async () => {
    const slow = defer()
    const old = call('patient', slow.promise)
    await open()
    slow.resolve('late')
    await old
    expect(await call('another')).toBe('circuit_open')
    expect(changes).toEqual([true])
  })
})
