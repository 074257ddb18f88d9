import { recurringSessions, newSession, startBroker, startServer, type Candidate } from './candidate.ts'
import { median, quantile, runClosed, runPaced, type Seen } from './load.ts'
import { startMeasured, type Measured } from './process.ts'

/** One run against one candidate. */
export interface Run {
  cpuUs: number
  perSecond: number
  p50Ms: number
  p95Ms: number
  p99Ms: number
  residentMb: number
}

/** Enough for V8 to compile everything. Fewer would favour the smaller programs. */
const warmUpRequests = 40_000
/** Enough for a process to recover from idling, in which V8 gives memory back. */
const wakeUpRequests = 1_000
/** Short, so that all candidates of a round meet the same conditions. */
const sliceSeconds = 0.7

/**
 * CPU, rate and latency under full load, in rounds: what disturbs the machine disturbs all candidates alike.
 */
export async function measureRounds(
  candidates: readonly Candidate[],
  rounds: number,
): Promise<Map<string, Run[]>> {
  const runs = new Map<string, Run[]>(candidates.map(({ name }) => [name, []]))
  for (const { server, next } of candidates)
    await runClosed(server.origin, next, { requests: warmUpRequests })
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, server, next } of candidates) {
      await runClosed(server.origin, next, { requests: wakeUpRequests })
      runs
        .get(name)!
        .push(await measure(server, () => runClosed(server.origin, next, { seconds: sliceSeconds })))
    }
  }
  return runs
}

async function measure(server: Measured, load: () => Promise<Seen>): Promise<Run> {
  const before = await server.usage()
  const { requests, seconds, latenciesMs } = await load()
  const after = await server.usage()
  return {
    cpuUs: (after.cpuUs - before.cpuUs) / requests,
    perSecond: requests / seconds,
    p50Ms: quantile(latenciesMs, 0.5),
    p95Ms: quantile(latenciesMs, 0.95),
    p99Ms: quantile(latenciesMs, 0.99),
    residentMb: after.rssBytes / 1_000_000,
  }
}

/**
 * How the broker's p99 compares with the limit's, with a vendor that takes 50 ms, at 300 new sessions a
 * second.
 */
export async function measureSlowVendor(rounds: number, logFile: string) {
  const vendor = await startMeasured('./servers/vendor.js', { DELAY_MS: '50' })
  const servers = [await startServer('limit', vendor.origin), await startBroker(vendor.origin, logFile)]
  const p99s: number[][] = []
  for (let round = -1; round < rounds; round += 1) {
    const row: number[] = []
    for (const { origin } of servers) {
      row.push(quantile((await runPaced(origin, newSession, { seconds: 4 })).latenciesMs, 0.99))
    }
    // The first round warms both up.
    if (round >= 0) p99s.push(row)
  }
  for (const server of [...servers, vendor]) await server.stop()
  return p99s.map(([limit, broker]) => ({ limit: limit!, broker: broker! }))
}

/** From the start of the process to the listening socket, the broker beside a bare Express app. */
export async function measureStarts(rounds: number) {
  const starts: { express: number; broker: number }[] = []
  for (let round = 0; round < rounds; round += 1) {
    const servers = [await startServer('express'), await startBroker('http://127.0.0.1:9', '/dev/null')]
    starts.push({ express: servers[0]!.startMs, broker: servers[1]!.startMs })
    for (const server of servers) await server.stop()
  }
  return starts
}

/**
 * Resident memory of fresh brokers after 200,000 requests of 50,000 sessions each, in MB. The time since the
 * last collection makes a difference of some 10 MB.
 */
export async function measureMemory(rounds: number, vendorUrl: string, logFile: string): Promise<number[]> {
  const residentMb: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const broker = await startBroker(vendorUrl, logFile)
    await runClosed(broker.origin, recurringSessions(50_000), { requests: 200_000, connections: 64 })
    residentMb.push((await broker.usage()).rssBytes / 1_000_000)
    await broker.stop()
  }
  return residentMb
}

export function medianOf(runs: readonly Run[]): Run {
  const of = (field: keyof Run) => median(runs.map((run) => run[field]))
  return {
    cpuUs: of('cpuUs'),
    perSecond: of('perSecond'),
    p50Ms: of('p50Ms'),
    p95Ms: of('p95Ms'),
    p99Ms: of('p99Ms'),
    residentMb: of('residentMb'),
  }
}
