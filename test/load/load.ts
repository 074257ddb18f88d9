import { afterAll, expect, it } from 'vitest'
import { formatTable, type Outcome, type Row } from './row.ts'
import { fairness } from './fairness.ts'
import { mixedFaults } from './faults.ts'
import { hangingVendor } from './outage.ts'
import { sharedLimit } from './replicas.ts'
import { keyRotation, redisCrash, restarts } from './restarts.ts'
import { rush } from './rush.ts'
import { slowClients } from './slow-clients.ts'
import { manyUsers } from './users.ts'

const rows: Row[] = [
  restarts,
  keyRotation,
  redisCrash,
  hangingVendor,
  rush,
  mixedFaults,
  slowClients,
  manyUsers,
  sharedLimit,
  fairness,
]
const outcomes = new Map<Row, Outcome>()

afterAll(() => {
  process.stdout.write(`\n${formatTable(outcomes)}\n`)
})

for (const row of rows) {
  it.skipIf(row.missing !== undefined)(`${row.name}: ${row.goal} ${row.missing ?? ''}`, async () => {
    const outcome = await row.run()
    outcomes.set(row, outcome)
    expect(outcome).toEqual({ ...outcome, reached: true })
  })
}
