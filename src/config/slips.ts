import type { Environment, Fault } from './files.ts'

/** What an editor, a shell or a tool leaves in a value by mistake. No setting needs it. */
const slips: [pattern: RegExp, message: string][] = [
  [/[\0\ufffd]/, 'is not UTF-8 text (perhaps it is UTF-16): save the file as UTF-8'],
  [/^\ufeff|\ufeff\s*$/, 'starts or ends with a byte order mark: save the file as UTF-8 without one'],
  [/^(["'])[\s\S]*\1$/, 'is wrapped in quotes, which docker --env-file and Kubernetes keep: remove them'],
  [/^["']|["']$/, 'starts or ends with a quote: remove it'],
]

const endsWithBreak = 'ends with a line break: remove it (echo writes one, printf does not)'

/** Finds values that are invalid for any setting. The messages do not show them. */
export function findSlips(values: Environment, names: readonly string[]): Fault[] {
  return names.flatMap((name) => {
    const value = values[name] ?? ''
    const slip = slips.find(([pattern]) => pattern.test(value))?.[1]
    const message = slip ?? (endsByMistake(name, value) ? endsWithBreak : undefined)
    return message === undefined ? [] : [{ name, message }]
  })
}

/** A PEM in a variable may end with the line break of its file. */
const endsByMistake = (name: string, value: string) => /[\r\n]$/.test(value) && !name.endsWith('_PUBLIC_KEY')

/**
 * Finds values in a `.env` file that a `#` cuts off. It starts a comment even without a space before it,
 * unless the value is in quotes. A variable that `env` already has does not come from the file.
 */
export function findCutValues(text: string, env: Environment): Fault[] {
  if (/[\0\ufffd]/.test(text)) return [{ name: '.env', message: 'is not UTF-8 text: save it as UTF-8' }]
  const lines = [...text.matchAll(/^[ \t]*(?:export[ \t]+)?([\w.-]+)[ \t]*=[ \t]*[^\s"'`#][^\n#]*?\S#/gm)]
  const message = 'has a # in .env, which starts a comment: put the value in quotes'
  return lines.map(([, name = '']) => ({ name, message })).filter(({ name }) => env[name] === undefined)
}
