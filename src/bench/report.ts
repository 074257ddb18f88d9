import type { Run } from './measure.ts'

/** A figure, and its goal if it has one. */
export interface Figure {
  figure: string
  value: number
  goal?: number
}

/** The candidates, one a line. */
export function formatRuns(runs: ReadonlyMap<string, Run>): string {
  const rows = [...runs].map(([name, run]) => [
    name,
    run.cpuUs.toFixed(0),
    run.perSecond.toFixed(0),
    run.p50Ms.toFixed(2),
    run.p95Ms.toFixed(2),
    run.p99Ms.toFixed(2),
    run.residentMb.toFixed(0),
  ])
  const heads = ['candidate', 'CPU µs/request', 'requests/s', 'p50 ms', 'p95 ms', 'p99 ms', 'MB resident']
  return formatTable([heads, ...rows])
}

/** The figures beside their goals, one a line. */
export function formatFigures(figures: readonly Figure[]): string {
  const rows = figures.map(({ figure, value, goal }) => [
    figure,
    value.toFixed(2),
    ...(goal === undefined ? ['', ''] : [`at most ${goal}`, value <= goal ? 'reached' : 'MISSED']),
  ])
  return formatTable([['figure', 'value', 'goal', ''], ...rows])
}

function formatTable(rows: readonly string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  ')
  return `${rows.map(line).join('\n')}\n`
}
