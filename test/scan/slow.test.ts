import { execFile } from 'node:child_process'
import { promisify, stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import { whyMissing } from '../peers/binary.ts'
import { useBroker } from '../peers/broker.ts'

const missing = whyMissing('slowhttptest', '-h')

/** Ten seconds of one attack over 200 connections, while the tool also asks as an ordinary client. */
async function attack(url: string, ...kind: string[]): Promise<string> {
  const extent = ['-c', '200', '-r', '100', '-l', '10', '-p', '3']
  const { stdout } = await promisify(execFile)('slowhttptest', [...kind, ...extent, '-u', url])
  return stripVTControlCharacters(stdout)
}

describe.skipIf(missing)('slowhttptest', () => {
  it('finds the broker available during slow headers, slow bodies and slow reads at once', async () => {
    const { broker } = await useBroker()
    const tokens = `${broker.url}/widget-token`
    const reports = await Promise.all([
      attack(tokens, '-H', '-i', '1'),
      attack(tokens, '-B', '-i', '1', '-s', '900', '-f', 'application/json'),
      attack(`${broker.url}/bridge.js`, '-X', '-k', '3', '-n', '5', '-z', '8'),
    ])
    for (const report of reports) {
      expect(report).toMatch(/connected: +200/)
      expect(new Set(report.match(/(?<=service available: +)\w+/g))).toEqual(new Set(['YES']))
    }
    expect((await broker.askToken()).status).toBe(200)
  })
})
