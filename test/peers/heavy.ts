import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { findFreePort, startProgram } from './binary.ts'

/** Why the tests with a package of test/peers/package.json are skipped, or undefined. The root's `npm ci` omits it. */
export function whyPackageMissing(name: string): string | undefined {
  if (existsSync(new URL(`node_modules/${name}`, import.meta.url))) return undefined
  if (process.env.CI === 'true') throw new Error('run npm ci --prefix test/peers')
  return 'skipped: run npm ci --prefix test/peers'
}

/** Starts a program of this folder, until the test is over, on a port that it gets as its argument. Resolves to its origin. */
export async function startApp(file: string, interpreter = process.execPath): Promise<string> {
  const port = await findFreePort()
  const program = fileURLToPath(new URL(file, import.meta.url))
  await startProgram(interpreter, [program, String(port)], /listening/)
  return `http://127.0.0.1:${port}`
}
