import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { startCandidates } from './candidate.ts'
import { median } from './load.ts'
import { measureMemory, measureRounds, measureSlowVendor, measureStarts, medianOf } from './measure.ts'
import { startMeasured } from './process.ts'
import { formatFigures, formatRuns, type Figure } from './report.ts'

// The side-by-side measurement: `npm run bench`. Only ratios within one run carry over to another machine.

const rounds = 5
const directory = mkdtempSync(join(tmpdir(), 'bench-'))
const logFile = join(directory, 'broker.log')
const machine = `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}`

print(`${machine}; some four minutes …\n\n`)
const starts = await measureStarts(7)
const vendor = await startMeasured('./servers/vendor.js', {})
const candidates = await startCandidates(vendor.origin, logFile)
const runs = await measureRounds(candidates, rounds)
await Promise.all(candidates.map(({ server }) => server.stop()))
const slow = await measureSlowVendor(3, logFile)
const memoryMb = await measureMemory(vendor.origin, logFile)
await vendor.stop()
rmSync(directory, { recursive: true })

const medians = new Map([...runs].map(([name, each]) => [name, medianOf(each)]))
const figures: Figure[] = [
  { figure: 'warm / express, CPU per request', value: cpuRatio('warm', 'express'), goal: 1.6 },
  {
    figure: 'warm / guide (which reuses nothing), CPU per request',
    value: cpuRatio('warm', 'guide'),
    goal: 0.2,
  },
  { figure: 'cold / limit, CPU per request', value: cpuRatio('cold', 'limit'), goal: 1.5 },
  { figure: 'cold / guide, CPU per request', value: cpuRatio('cold', 'guide'), goal: 0.6 },
  {
    figure: 'broker / limit, p99 at 300 requests/s and a vendor of 50 ms',
    value: median(slow.map(({ broker, limit }) => broker / limit)),
    goal: 1.5,
  },
  {
    figure: 'broker / express, start to ready',
    value: median(starts.map(({ broker, express }) => broker / express)),
    goal: 3,
  },
  { figure: 'MB resident after 200,000 requests of 50,000 sessions', value: memoryMb, goal: 200 },
]
print(`${formatRuns(medians)}\n${formatFigures(figures)}\n`)
print(
  `${JSON.stringify({ machine, candidates: Object.fromEntries(medians), slowVendor: slow, starts, figures })}\n`,
)

/** The median of the rounds' ratios, not the ratio of medians: two runs of one round met the same machine. */
function cpuRatio(name: string, other: string): number {
  const others = runs.get(other) ?? []
  return median((runs.get(name) ?? []).map(({ cpuUs }, round) => cpuUs / others[round]!.cpuUs))
}

function print(text: string): void {
  process.stdout.write(text)
}
