import type { Result } from './doctor.ts'
import { searchable } from './secrets.ts'

/** The colours of a terminal (ECMA-48): green, yellow, red, grey. */
const colours: Record<Result['status'], number> = { pass: 32, warn: 33, fail: 31, skipped: 90 }

/** One line for what was seen and, where there is something to do, one for that. */
export function formatResult({ id, status, seen, advice }: Result, inColour: boolean): string {
  const word = status.padEnd(8)
  const mark = inColour ? `\u001b[${colours[status]}m${word}\u001b[0m` : word
  const lines = [`${mark} ${id.padEnd(17)} ${seen}`]
  if (advice !== '') lines.push(`${' '.repeat(26)} -> ${advice}`)
  return `${lines.join('\n')}\n`
}

export function formatSummary(results: readonly Result[]): string {
  const count = (status: Result['status']) => results.filter((result) => result.status === status).length
  return `\n${count('pass')} passed, ${count('warn')} warned, ${count('fail')} failed, ${count('skipped')} skipped\n`
}

export function formatJson(results: readonly Result[]): string {
  const checks = results.map(({ id, status, seen, advice }) => ({ id, status, seen, advice }))
  return `${JSON.stringify({ ok: checks.every(({ status }) => status !== 'fail'), checks })}\n`
}

/** Removes secrets from a text, in case one got into it in an unforeseen way. */
export function createRedactor(secrets: readonly string[]): (text: string) => string {
  const sought = searchable(secrets)
  return (text) => sought.reduce((rest, secret) => rest.replaceAll(secret, '[removed]'), text)
}
