import { isLoopback } from './address-fields.ts'
import type { Environment, Fault } from './files.ts'
import { secretsIn } from './secret-rules.ts'

const addressNames = ['WIDGET_BASE_URL', 'RAI_API_URL']
const keyNames = ['WIDGET_API_KEY', 'WIDGET_API_KEYS', 'RAI_ACCESS_KEY']
const sandboxKeys = new Set(['sandbox-widget-api-key', 'sandbox-access-key'])

/** Others may listen on a private network, so a real key must not cross it in clear text. */
export function findUnsafeAddresses(values: Environment): Fault[] {
  const keys = keyNames.flatMap((name) => secretsIn(name, values[name]))
  if (keys.every((key) => sandboxKeys.has(key))) return []
  const message =
    'must be https: plain http is allowed on loopback, and on a private network with the keys of the sandbox'
  return plainAddresses(values).map((name) => ({ name, message }))
}

/** A warning for each vendor address that is plain http and not on this machine. */
export function warnOfPlainAddresses(values: Environment): Fault[] {
  const message = 'is plain http, which is only for the sandbox: its keys are public'
  return plainAddresses(values).map((name) => ({ name, message }))
}

function plainAddresses(values: Environment): string[] {
  return addressNames.filter((name) => {
    const address = values[name] ?? ''
    return /^http:/i.test(address) && URL.canParse(address) && !isLoopback(new URL(address).hostname)
  })
}
