import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

const entry = join(import.meta.dirname, '../../dist/doctor/main.js')

interface Diagnosis {
  id: string
  status: string
  seen: string
  advice: string
}

/** Everything that any doctor has printed, for the test that looks for secrets in it. */
export const printed: string[] = []

/** Runs the doctor as an operator does, with nothing in its environment but this. */
export async function runDoctor(
  args: readonly string[],
  env: Record<string, string>,
  cwd = mkdtempSync(join(tmpdir(), 'doctor-')),
) {
  const environment = { PATH: process.env.PATH, ...env }
  const child = spawn(process.execPath, [entry, ...args], { cwd, env: environment })
  const [stdout, stderr] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    child.exitCode ?? once(child, 'close'),
  ])
  printed.push(stdout, stderr)
  return { code: child.exitCode, stdout, stderr }
}

/** The same with `--json`: the exit code, and each check by its id. */
export async function diagnose(args: readonly string[], env: Record<string, string>, cwd?: string) {
  const { code, stdout, stderr } = await runDoctor(['--json', ...args], env, cwd)
  const { ok, checks }: { ok: boolean; checks: Diagnosis[] } = JSON.parse(stdout)
  const find = (id: string) => checks.find((check) => check.id === id)!
  return { code, ok, checks, find, stderr }
}
