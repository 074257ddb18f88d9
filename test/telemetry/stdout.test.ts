import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const run = promisify(execFile)
const logger = new URL('../../dist/telemetry/logger.js', import.meta.url).href

/** What a process that logs numbered lines and then ends so has written by then, as a reader of its pipe sees it. */
async function numbersWritten(count: number, end: string): Promise<number[]> {
  const program = `
    import { createLogger } from ${JSON.stringify(logger)}
    const logger = createLogger({ level: 'info' })
    for (let number = 0; number < ${count}; number += 1) logger.info({ number, padding: 'x'.repeat(200) })
    ${end}`
  const options = { maxBuffer: 64 * 1024 * 1024 }
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], options)
  const lines = stdout.split('\n').slice(0, -1)
  return lines.map((line) => (JSON.parse(line) as { number: number }).number)
}

describe('Standard output', () => {
  it.each([
    ['a flush', 1, 'logger.flush(() => process.exit())'],
    ['a flush', 20_000, 'logger.flush(() => process.exit())'],
    ['nothing else to do', 20_000, 'setTimeout(() => undefined, 500)'],
  ])('has every line in order after %s, of %i', async (_name, count, end) => {
    expect(await numbersWritten(count, end)).toEqual(Array.from({ length: count }, (_, number) => number))
  })

  it('has every line up to and including a fatal one once it is flushed', async () => {
    const end = 'logger.fatal({ number: 20_000 }); logger.flush(() => process.exit(1))'
    const failed = await numbersWritten(20_000, end).catch((error: { stdout: string }) => error.stdout)
    expect(failed).toContain('"number":20000')
    expect(String(failed).split('\n')).toHaveLength(20_002)
  })

  it('shows for each line when it was logged, not when it was written', async () => {
    const program = `
      import { createLogger } from ${JSON.stringify(logger)}
      const logger = createLogger({ level: 'info' })
      const past = Date.now() + 20
      logger.info({ number: 1 })
      while (Date.now() < past) continue
      logger.info({ number: 2 })
      logger.flush(() => process.exit())`
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program])
    const [first, second] = stdout
      .trim()
      .split('\n')
      .map((line) => Date.parse((JSON.parse(line) as { time: string }).time))
    expect(second! - first!).toBeGreaterThanOrEqual(19)
  })
})
