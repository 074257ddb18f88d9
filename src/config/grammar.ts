import { z } from 'zod'
import { splitList } from './lists.ts'

// What the fields are made of. A message says what is expected, and never quotes a value.

/** Makes a field from a parser that returns undefined for an invalid value. */
export function text<Value>(message: string, parse: (value: string) => Value | undefined) {
  return z.string().transform((value, context) => {
    const parsed = parse(value)
    if (parsed !== undefined) return parsed
    context.addIssue({ code: 'custom', message })
    return z.NEVER
  })
}

/** A field whose value matches a pattern. */
export function matching(pattern: RegExp, message: string) {
  return text(message, (value) => (pattern.test(value) ? value : undefined))
}

/** Comma-separated values of one kind. Spaces around them and a trailing comma are ignored. */
export function listOf<Value>(field: z.ZodType<Value, string>) {
  return z.string().transform(splitList).pipe(z.array(field).min(1, 'must name at least one'))
}
