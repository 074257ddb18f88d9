import { splitList } from './lists.ts'
import type { Environment, Fault } from './files.ts'

/** An attacker who guesses one of these can reverse a subject's hash, or pose as the proxy. */
const needsLength = ['SUBJECT_KEY', 'SESSION_HEADER_PROOF']
const minBytes = 16

const secretNames = [
  'WIDGET_API_KEY',
  'WIDGET_API_KEYS',
  'RAI_ACCESS_ID',
  'RAI_ACCESS_KEY',
  'SUBJECT_KEY',
  'SESSION_JWT_SECRET',
  'SESSION_INTROSPECTION_CLIENT_SECRET',
  'SESSION_HEADER_PROOF',
  'SESSION_SECRET',
]

/** The placeholders of our documentation, and the sandbox's keys, which are public. */
const placeholder =
  /^((the|your|my|some)-(\S*-)?(key|id|secret|password|least|middleware)(-\S*)?|what[- ].*prints|sandbox-(widget-api-key|access-key|access-id))$/i

/** Finds secrets that are too short, and secrets that are examples. */
export function findSecretConflicts(values: Environment): Fault[] {
  const short = needsLength
    .filter((name) => filledLines(values[name]).some(isShort))
    .map((name) => ({ name, message: `must have at least ${minBytes} bytes (its value is not shown)` }))
  return [...short, ...placeholders(values)]
}

function placeholders(values: Environment): Fault[] {
  return secretNames
    .filter((name) => !isRehearsal(name, values))
    .filter((name) => secretsIn(name, values[name]).some((secret) => placeholder.test(secret)))
    .map((name) => ({ name, message: 'is an example from the documentation: use a secret of your own' }))
}

/** With the sandbox, the examples do no harm. Each door has an address of its own. */
function isRehearsal(name: string, { WIDGET_BASE_URL: widgets, RAI_API_URL: api }: Environment): boolean {
  const ofDoor = name.startsWith('RAI_') ? api : name.startsWith('WIDGET_') ? widgets : (widgets ?? api)
  return ofDoor?.startsWith('http://') ?? false
}

/** The secrets in the value of a setting. */
export function secretsIn(name: string, value: string | undefined): string[] {
  if (name === 'WIDGET_API_KEYS') return splitList(value).map((pair) => pair.slice(pair.indexOf(':') + 1))
  return name === 'SESSION_SECRET' ? filledLines(value).flatMap(splitList) : filledLines(value)
}

const isShort = (line: string) => Buffer.byteLength(line) < minBytes

const filledLines = (value = '') => value.split(/\r?\n/).filter((line) => line !== '')
