import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { signSession, useBroker } from '../peers/broker.ts'
import { root } from '../peers/documents.ts'
import { whyPackageMissing } from '../peers/heavy.ts'

const run = promisify(execFile)
const missing = whyPackageMissing('openapi-typescript')
const folder = join(root, 'test/peers/openapi-client')

/** The types that openapi-typescript makes of the description that a broker gives of itself. */
function generateTypes(url: string) {
  const generator = join(root, 'test/peers/node_modules/openapi-typescript/bin/cli.js')
  return run(process.execPath, [generator, `${url}/openapi.json`, '--output', join(folder, 'schema.d.ts')])
}

describe.skipIf(missing)('A client generated from /openapi.json', () => {
  it('passes the compiler, and gets a token or a typed problem', async () => {
    const { broker } = await useBroker()
    await generateTypes(broker.url)
    await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '--project', folder])
    // By a variable, because without the packages of test/peers the compiler would not find its imports.
    const program = join(folder, 'client.ts')
    const { askToken } = await import(program)
    expect(await askToken(broker.url, `Bearer ${await signSession()}`)).toMatch(
      /^[\w-]{22} has a token of \d+ /,
    )
    expect(await askToken(broker.url)).toBe('sign in (401 session_missing)')
  })
})
