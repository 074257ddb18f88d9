import { findAlgorithmsFault, findPublicKeyFault, findSecretFault } from '../session/jwt-key.ts'
import type { SessionMode } from '../session/modes.ts'
import { findClaimConflicts } from './claim-rules.ts'
import { isGiven, required, type Environment, type Fault } from './files.ts'
import { findAddressConflicts, jwtKeyNames } from './source-rules.ts'
import { findDoorConflicts } from './door-rules.ts'
import { splitLines, splitList, splitPem } from './lists.ts'

// Which variables need or exclude which others. Each rule looks only at what is set, so that all faults are
// reported at once.

const neededByMode = {
  'forward-auth': ['SESSION_FORWARD_URL'],
  jwt: [],
  introspection: ['SESSION_INTROSPECTION_CLIENT_ID', 'SESSION_INTROSPECTION_CLIENT_SECRET'],
  'trusted-header': ['SESSION_HEADER', 'SESSION_HEADER_PEERS', 'SESSION_HEADER_PROOF'],
  'express-session': ['SESSION_STORE_URL', 'SESSION_SECRET'],
} satisfies Record<SessionMode, readonly string[]>

export const sessionModes = Object.keys(neededByMode) as SessionMode[]

export const shutdownDefaults = { delayMs: '3000', timeoutMs: '8000' }

/** Finds the faults between variables. */
export function findConflicts(values: Environment): Fault[] {
  const modes = new Set(splitList(values.SESSION_MODE))
  return [
    ...findDoorConflicts(values),
    ...required(values, ['SESSION_MODE'], 'is required'),
    ...(modes.has('introspection') ? endpointConflicts(values) : []),
    ...sessionModes
      .filter((mode) => modes.has(mode))
      .flatMap((mode) => required(values, neededByMode[mode], `is required for SESSION_MODE=${mode}`)),
    ...(modes.has('jwt') ? jwtConflicts(values) : []),
    ...findAddressConflicts(values),
    ...findClaimConflicts(values, modes),
    ...shutdownConflicts(values),
    ...transportConflicts(values),
  ]
}

/** The endpoint is either configured or found by the issuer. */
function endpointConflicts(values: Environment): Fault[] {
  const { SESSION_INTROSPECTION_URL: url, SESSION_INTROSPECTION_ISSUER: issuer } = values
  if (url === undefined && issuer !== undefined) return []
  const name = 'SESSION_INTROSPECTION_URL'
  if (url === undefined) return [{ name, message: 'is required for SESSION_MODE=introspection' }]
  return faultOf(name, issuer && 'is set together with SESSION_INTROSPECTION_ISSUER: keep one of them')
}

function jwtConflicts(values: Environment): Fault[] {
  const present = jwtKeyNames.filter((name) => isGiven(values, name))
  const faults: Fault[] = []
  const discovers = present.length === 0 && values.SESSION_JWT_ISSUER !== undefined
  if (present.length !== 1 && !discovers) {
    const message = `SESSION_MODE=jwt needs exactly one of ${jwtKeyNames.join(', ')}, or SESSION_JWT_ISSUER alone`
    const named = present.length === 0 ? jwtKeyNames.slice(0, 1) : present
    faults.push(...named.map((name) => ({ name, message })))
  }
  if (discovers || present.some((name) => name !== 'SESSION_JWT_SECRET'))
    faults.push(...asymmetricConflicts(values))
  return [...faults, ...partyConflicts(values), ...keyConflicts(values)]
}

/** The option is for Clerk's session cookie. Elsewhere it would weaken the check of `azp` for no benefit. */
function partyConflicts(values: Environment): Fault[] {
  const name = 'SESSION_JWT_AUTHORIZED_PARTY_OPTIONAL'
  if (values[name] !== 'true') return []
  if (values.SESSION_JWT_AUTHORIZED_PARTY === undefined)
    return [{ name, message: 'needs SESSION_JWT_AUTHORIZED_PARTY' }]
  const fromCookie = splitList(values.SESSION_JWT_SOURCE).some((source) => source.startsWith('cookie:'))
  return faultOf(name, fromCookie ? undefined : 'needs a cookie:NAME in SESSION_JWT_SOURCE')
}

/**
 * Without issuer and audience, any token that the provider signs for any app would be a session here (RFC
 * 8725 §3.8, §3.9).
 */
function asymmetricConflicts(values: Environment): Fault[] {
  const faults = required(values, ['SESSION_JWT_ISSUER'], 'is required with a JWKS or public key')
  if (values.SESSION_JWT_AUDIENCE === undefined && values.SESSION_JWT_AUTHORIZED_PARTY === undefined) {
    const message = 'is required with a JWKS or public key (or SESSION_JWT_AUTHORIZED_PARTY)'
    faults.push({ name: 'SESSION_JWT_AUDIENCE', message })
  }
  return faults
}

function keyConflicts(values: Environment): Fault[] {
  const { SESSION_JWT_SECRET: secret, SESSION_JWT_PUBLIC_KEY: pem } = values
  const symmetric = secret !== undefined
  const algorithms = jwtAlgorithms(values.SESSION_JWT_ALGORITHMS, symmetric)
  return [
    faultOf('SESSION_JWT_ALGORITHMS', findAlgorithmsFault(algorithms, symmetric)),
    ...splitLines(secret).map((each) => faultOf('SESSION_JWT_SECRET', findSecretFault(each))),
    ...(pem === undefined ? [] : pemConflicts(splitPem(pem), algorithms)),
  ].flat()
}

function pemConflicts(pems: readonly string[], algorithms: readonly string[]): Fault[] {
  const faults = pems.map((each) => findPublicKeyFault(each, algorithms))
  if (pems.length > 2) faults.push('must hold one key, or two while the first is being replaced')
  return faults.flatMap((fault) => faultOf('SESSION_JWT_PUBLIC_KEY', fault))
}

/** The allowed algorithms, or the default for this kind of key. */
export function jwtAlgorithms(list: string | undefined, symmetric: boolean): string[] {
  if (list !== undefined) return splitList(list)
  return symmetric ? ['HS256'] : ['RS256', 'ES256', 'EdDSA']
}

function faultOf(name: string, message: string | undefined): Fault[] {
  return message ? [{ name, message }] : []
}

function shutdownConflicts(values: Environment): Fault[] {
  const delayMs = Number(values.SHUTDOWN_DELAY_MS ?? shutdownDefaults.delayMs)
  const timeoutMs = Number(values.SHUTDOWN_TIMEOUT_MS ?? shutdownDefaults.timeoutMs)
  return timeoutMs < delayMs
    ? [{ name: 'SHUTDOWN_TIMEOUT_MS', message: 'must not be less than SHUTDOWN_DELAY_MS, which it includes' }]
    : []
}

function transportConflicts(values: Environment): Fault[] {
  const faults: Fault[] = []
  if (values.NODE_TLS_REJECT_UNAUTHORIZED === '0') {
    const message = 'turns TLS verification off: remove it, and name a private CA in NODE_EXTRA_CA_CERTS'
    faults.push({ name: 'NODE_TLS_REJECT_UNAUTHORIZED', message })
  }
  return [...faults, ...lineConflicts(values)]
}

const rotating = [
  'WIDGET_API_KEY',
  'SESSION_JWT_SECRET',
  'SESSION_INTROSPECTION_CLIENT_SECRET',
  'SESSION_HEADER_PROOF',
]

/** A line break in a variable is a slip; in a file, it separates the new secret from the old one. */
function lineConflicts(values: Environment): Fault[] {
  return rotating
    .filter((name) => values[name]?.includes('\n') && values[`${name}_FILE`] === undefined)
    .map((name) => ({ name, message: `may have two lines only in ${name}_FILE` }))
}
