import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { startCandidates, startPinnedBrokers, type Candidate } from './candidate.ts'
import { median } from './load.ts'
import {
  measureMemory,
  measureRounds,
  measureSlowVendor,
  measureStarts,
  medianOf,
  type Run,
} from './measure.ts'
import { startMeasured } from './process.ts'
import { formatFigures, formatRuns, type Figure } from './report.ts'

// The side-by-side measurement: `npm run bench`. Only ratios within one run carry over to another machine.

const directory = mkdtempSync(join(tmpdir(), 'bench-'))
const logFile = join(directory, 'broker.log')
const machine = `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}`

print(`${machine}; about six minutes …\n\n`)
const starts = await measureStarts(7)
const vendor = await startMeasured('./servers/vendor.js', {})
const runs = await measureAndStop(await startCandidates(vendor.origin, logFile), 15)
const slow = await measureSlowVendor(3, logFile)
const memory = await measureMemory(3, vendor.origin, logFile)
const pinned = await measureAndStop(await startPinnedBrokers(vendor.origin, logFile), 7)
await vendor.stop()
rmSync(directory, { recursive: true })

const figures: Figure[] = [
  { figure: 'warm / express, CPU per request', value: cpuRatio('warm', 'express'), goal: 1.6 },
  { figure: 'warm / guide (which reuses nothing), CPU per request', value: cpuRatio('warm', 'guide') },
  { figure: 'cold / limit, CPU per request', value: cpuRatio('cold', 'limit'), goal: 2.1 },
  { figure: 'cold / guide, CPU per request', value: cpuRatio('cold', 'guide') },
  {
    figure: 'broker / limit, p99 at 300 requests/s and a vendor of 50 ms',
    value: median(slow.map(({ broker, limit }) => broker / limit)),
    goal: 1.5,
  },
  { figure: 'broker, start to ready, ms', value: median(starts.map(({ broker }) => broker)) },
  {
    figure: 'broker / express, start to ready',
    value: median(starts.map(({ broker, express }) => broker / express)),
    goal: 3,
  },
  { figure: 'MB resident after 200,000 requests of 50,000 sessions', value: median(memory), goal: 200 },
]
print(`${formatRuns(mediansOf(runs))}\n${formatFigures(figures)}\n`)
print(`The broker pinned to CPUs with taskset. The client and the vendor share the machine:\n\n`)
print(`${formatRuns(mediansOf(pinned))}\n`)
const rows = {
  candidates: Object.fromEntries(mediansOf(runs)),
  pinned: Object.fromEntries(mediansOf(pinned)),
}
print(`${JSON.stringify({ machine, ...rows, slowVendor: slow, starts, memory, figures })}\n`)

async function measureAndStop(candidates: readonly Candidate[], rounds: number): Promise<Map<string, Run[]>> {
  const measured = await measureRounds(candidates, rounds)
  await Promise.all(candidates.map(({ server }) => server.stop()))
  return measured
}

function mediansOf(measured: ReadonlyMap<string, Run[]>): Map<string, Run> {
  return new Map([...measured].map(([name, each]) => [name, medianOf(each)]))
}

/**
 * The median of the rounds' ratios, not the ratio of medians: both runs of a round met the same conditions.
 */
function cpuRatio(name: string, other: string): number {
  const others = runs.get(other) ?? []
  return median((runs.get(name) ?? []).map(({ cpuUs }, round) => cpuUs / others[round]!.cpuUs))
}

function print(text: string): void {
  process.stdout.write(text)
}
