import { cpus } from 'node:os'

/** One line of the table: what happens to the broker, and the expected result. */
export interface Row {
  name: string
  goal: string
  /** Why it cannot run here. Absent if it can. */
  missing?: string
  run(): Promise<Outcome>
}

export interface Outcome {
  /** The figures, in words. */
  seen: string
  reached: boolean
}

/** The table for the README, with the machine it was made on. */
export function formatTable(outcomes: ReadonlyMap<Row, Outcome>): string {
  const lines = [...outcomes].map(
    ([{ name, goal }, { seen, reached }]) => `| ${name} | ${goal} | ${seen} | ${reached ? 'yes' : 'NO'} |`,
  )
  const day = new Date().toISOString().slice(0, 10)
  return [
    '| test | goal | seen | reached |',
    '| --- | --- | --- | --- |',
    ...lines,
    '',
    `${cpus().length} cores, Node ${process.version.slice(1)}, ${day}`,
  ].join('\n')
}
