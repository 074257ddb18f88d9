import { createHmac } from 'node:crypto'
import { toModeSettings } from './modes.ts'
import { findConflicts } from './rules.ts'
import { secretsOf } from './secrets.ts'
import { resolveSources, type Environment, type Fault, type ReadSecret } from './files.ts'
import { readSecretFile } from './secret-file.ts'
import { findNearMisses, findUnknownNames } from './names.ts'
import { findSecretConflicts } from './secret-rules.ts'
import { findSlips } from './slips.ts'
import { findUnsafeAddresses, warnOfPlainAddresses } from './vendor-address.ts'
import { fromFiles, variableNames, variables, type Variables } from './variables.ts'

export interface Config extends ReturnType<typeof toConfig> {
  secretFiles: SecretFiles
  /** What may be a slip, without being an error. */
  warnings: readonly Warning[]
}

/** `event` is its name in the log. */
interface Warning extends Fault {
  event: string
}

/** The files that secrets came from, by the names of the secrets. */
interface SecretFiles {
  paths: ReadonlyMap<string, string>
  contents: ReadonlyMap<string, string>
  /** The same configuration with other contents; throws `ConfigError`. */
  reload(contents: ReadonlyMap<string, string>): Config
}

/** An invalid configuration, with every fault by name and never by value. */
export class ConfigError extends Error {
  readonly faults: readonly Fault[]

  constructor(faults: readonly Fault[]) {
    super(
      [
        'The configuration is not usable:',
        ...faults.map(({ name, message }) => `  ${name} ${message}${/[.?]$/.test(message) ? '' : '.'}`),
      ].join('\n'),
    )
    this.faults = faults
  }
}

/** Reads the configuration from an environment. Throws `ConfigError` with all faults at once. */
export function loadConfig(env: Environment, read: ReadSecret = readSecretFile): Config {
  const faults: Fault[] = []
  const values = resolveSources(env, { names: fromFiles, read }, faults)
  const known = new Set([...variableNames, ...fromFiles.map((name) => `${name}_FILE`)])
  const parsed = variables.safeParse(endSecretLines(values))
  const slips = findSlips(values, variableNames)
  faults.push(...findUnknownNames(values, known), ...findConflicts(values))
  faults.push(...findSecretConflicts(values), ...findUnsafeAddresses(values))
  for (const { path, message } of parsed.error?.issues ?? []) {
    const name = String(path[0])
    if (values[name] !== undefined) faults.push({ name, message: message + entryOf(path, values[name]) })
  }
  const slipped = new Set(slips.map(({ name }) => name))
  const all = [...slips, ...faults.filter(({ name }) => !slipped.has(name))]
  const distinct = [...new Map(all.map((fault) => [`${fault.name} ${fault.message}`, fault])).values()]
  if (!parsed.success || distinct.length > 0) throw new ConfigError(distinct)
  return {
    ...toConfig(parsed.data),
    secretFiles: findSecretFiles(env, values),
    warnings: [
      ...findNearMisses(env).map((fault) => ({ event: 'unknown_setting', ...fault })),
      ...warnOfPlainAddresses(values).map((fault) => ({ event: 'plain_http_vendor', ...fault })),
    ],
  }
}

/** Which entry of a list is meant, counted from 1. */
function entryOf([, index]: readonly PropertyKey[], value = ''): string {
  return typeof index === 'number' && value.includes(',') ? ` (entry ${index + 1} is not)` : ''
}

/**
 * A file has one secret a line, each of which may contain commas. A variable has a comma-separated list. The
 * added line break tells the field which of the two it reads.
 */
function endSecretLines(values: Environment): Environment {
  const { SESSION_SECRET: list, SESSION_SECRET_FILE: file } = values
  return list === undefined || file === undefined ? values : { ...values, SESSION_SECRET: `${list}\n` }
}

function findSecretFiles(env: Environment, values: Environment): SecretFiles {
  const named = fromFiles.filter((name) => values[`${name}_FILE`] !== undefined)
  return {
    paths: new Map(named.map((name) => [name, values[`${name}_FILE`]!])),
    contents: new Map(named.map((name) => [name, values[name]!])),
    reload: (contents) => loadConfig(env, (_path, name) => contents.get(name)!),
  }
}

/** Gives the variables the names that the broker uses. Beyond this point, no environment name is known. */
function toConfig(env: Variables) {
  return {
    listen: { host: env.HOST, port: env.PORT },
    adminListen: env.ADMIN_LISTEN,
    allowedOrigins: new Set(env.ALLOWED_ORIGINS),
    trustedProxies: env.TRUST_PROXY ?? [],
    publicUrls: env.PUBLIC_URL ?? [],
    statusPage: env.STATUS_PAGE,
    communityId: env.WIDGET_COMMUNITY_ID,
    logLevel: env.LOG_LEVEL,
    secrets: secretsOf(env),
    widgets: env.WIDGETS ?? [],
    probeEmail: env.WIDGET_PROBE_EMAIL,
    vendor: {
      baseUrl: env.WIDGET_BASE_URL,
      timeoutMs: env.VENDOR_TIMEOUT_MS,
      maxConnections: env.VENDOR_MAX_CONNECTIONS,
      maxQueue: env.VENDOR_MAX_QUEUE,
    },
    signin: signinDoor(env),
    accessKey: accessKeyDoor(env),
    proxy: { https: env.HTTPS_PROXY, no: env.NO_PROXY },
    sessions: {
      modes: [...new Set(env.SESSION_MODE)].map((mode) => toModeSettings(mode, env)),
      identity: identityPolicy(env),
      rememberMs: env.SESSION_CACHE_SECONDS * 1000,
      httpHosts: env.SESSION_HTTP_HOSTS ?? [],
      timeoutMs: env.VENDOR_TIMEOUT_MS,
    },
    tokenCacheMs: env.TOKEN_CACHE_SECONDS * 1000,
    rateLimit: { perMinute: env.RATE_LIMIT_PER_MINUTE, redisUrl: env.REDIS_URL },
    shutdown: { delayMs: env.SHUTDOWN_DELAY_MS, timeoutMs: env.SHUTDOWN_TIMEOUT_MS },
  }
}

function signinDoor(env: Variables) {
  const { WIDGET_COMMUNITY_ID: communityId, WIDGET_API_KEY: keys, WIDGET_API_KEYS: pairs } = env
  if (communityId === undefined || keys === undefined) return undefined
  return { communityId, keys, byWidgetType: new Map(pairs) }
}

function accessKeyDoor(env: Variables) {
  const { RAI_ACCESS_ID: accessId, RAI_ACCESS_KEY: accessKey, RAI_API_URL: apiUrl } = env
  if (accessId === undefined || accessKey === undefined) return undefined
  return { accessId, accessKey, apiUrl }
}

function identityPolicy(env: Variables) {
  const [firstKey] = env.WIDGET_API_KEY ?? []
  return {
    emailClaims: env.SESSION_EMAIL_CLAIM,
    subjectClaims: env.SESSION_SUBJECT_CLAIM,
    identifiers: env.RAI_USER_IDENTIFIERS,
    requireVerifiedEmail: env.SESSION_REQUIRE_VERIFIED_EMAIL,
    emailDomains: new Set(env.SESSION_EMAIL_DOMAINS),
    subjectKey:
      env.SUBJECT_KEY ??
      createHmac('sha256', firstKey ?? '')
        .update('subject')
        .digest('base64url'),
  }
}
