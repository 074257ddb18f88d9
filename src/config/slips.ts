import type { Environment, Fault } from './files.ts'

/** What an editor, a shell or a tool leaves in a value by mistake. No setting has a use for it. */
const slips: [pattern: RegExp, message: string][] = [
  [/[\0\ufffd]/, 'is not UTF-8 text (perhaps it is UTF-16): save the file as UTF-8'],
  [/^\ufeff/, 'begins with a byte order mark: save the file as UTF-8 without one'],
  [/^(["'])[\s\S]*\1$/, 'is wrapped in quotes, which docker --env-file and Kubernetes keep: remove them'],
  [/^["']|["']$/, 'has a quote at one of its ends: remove it'],
]

const endsWithBreak = 'ends with a line break: remove it (echo writes one, printf does not)'

/** Finds the values that are mistyped whatever they are for. The messages show none of them. */
export function findSlips(values: Environment, names: readonly string[]): Fault[] {
  return names.flatMap((name) => {
    const value = values[name] ?? ''
    const slip = slips.find(([pattern]) => pattern.test(value))?.[1]
    const message = slip ?? (endsByMistake(name, value) ? endsWithBreak : undefined)
    return message === undefined ? [] : [{ name, message }]
  })
}

/** A PEM in a variable may well have the line end of its file. */
const endsByMistake = (name: string, value: string) => /[\r\n]$/.test(value) && !name.endsWith('_PUBLIC_KEY')

/**
 * Finds the values of a `.env` text that it cuts off: `#` begins a comment there, also without a space before it, unless
 * the value is in quotes. What `env` has already does not come from the file.
 */
export function findCutValues(text: string, env: Environment): Fault[] {
  if (/[\0\ufffd]/.test(text)) return [{ name: '.env', message: 'is not UTF-8 text: save it as UTF-8' }]
  const lines = [...text.matchAll(/^[ \t]*(?:export[ \t]+)?([\w.-]+)[ \t]*=[ \t]*[^\s"'`#][^\n#]*?\S#/gm)]
  const message = 'has a # in .env, where a comment begins: put the value in quotes'
  return lines.map(([, name = '']) => ({ name, message })).filter(({ name }) => env[name] === undefined)
}
