import { z } from 'zod'
import * as address from './address-fields.ts'
import { listOf } from './grammar.ts'
import * as field from './fields.ts'
import { sessionModes, shutdownDefaults } from './rules.ts'

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/** The environment: every name, its grammar and its default. */
export const variables = z.object({
  HOST: address.host.prefault('0.0.0.0'),
  PORT: field.integer(0, 65_535).prefault('3000'),
  ADMIN_LISTEN: address.listenAddress.optional(),
  WIDGET_BASE_URL: address.vendorUrl.prefault('https://prod-widgets.returning.ai'),
  WIDGET_COMMUNITY_ID: field.communityId.optional(),
  WIDGET_API_KEY: field.headerSecrets.optional(),
  WIDGET_API_KEYS: listOf(field.typedKey)
    .refine((pairs) => new Map(pairs).size === pairs.length, 'must name each type once')
    .optional(),
  WIDGETS: listOf(field.widget).optional(),
  WIDGET_PROBE_EMAIL: field.email.optional(),
  RAI_ACCESS_ID: field.visible.optional(),
  RAI_ACCESS_KEY: field.headerSecret.optional(),
  RAI_API_URL: address.vendorUrl.prefault('https://api-v2.returning.ai'),
  RAI_USER_IDENTIFIERS: listOf(field.userIdentifier)
    .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, 'must name each field once')
    .optional(),
  STATUS_PAGE: field.onOrOff.prefault('on'),
  ALLOWED_ORIGINS: listOf(address.origin).optional(),
  TRUST_PROXY: listOf(address.proxyNetwork).optional(),
  PUBLIC_URL: listOf(address.publicUrl).optional(),
  SESSION_MODE: listOf(z.enum(sessionModes, `must be of ${sessionModes.join(', ')}`)),
  SESSION_EMAIL_CLAIM: listOf(field.claimName).prefault('email'),
  SESSION_SUBJECT_CLAIM: listOf(field.claimName).prefault('sub'),
  SUBJECT_KEY: field.visible.optional(),
  SESSION_REQUIRE_VERIFIED_EMAIL: field.flag.optional(),
  SESSION_EMAIL_DOMAINS: listOf(field.emailDomain).optional(),
  SESSION_JWT_JWKS_URL: address.sourceUrl.optional(),
  SESSION_JWT_PUBLIC_KEY: field.pems.optional(),
  SESSION_JWT_SECRET: field.anySecrets.optional(),
  SESSION_JWT_SOURCE: listOf(field.credentialEntry).prefault('bearer'),
  SESSION_JWT_ISSUER: field.visible.optional(),
  SESSION_JWT_AUDIENCE: listOf(field.visible).optional(),
  SESSION_JWT_AUTHORIZED_PARTY: listOf(field.visible).optional(),
  SESSION_JWT_AUTHORIZED_PARTY_OPTIONAL: field.flag.prefault('false'),
  SESSION_JWT_ALGORITHMS: z.string().optional(),
  SESSION_INTROSPECTION_URL: address.sourceUrl.optional(),
  SESSION_INTROSPECTION_ISSUER: field.visible.optional(),
  SESSION_INTROSPECTION_AUDIENCE: listOf(field.visible).optional(),
  SESSION_INTROSPECTION_CLIENT_ID: field.visible.optional(),
  SESSION_INTROSPECTION_CLIENT_SECRET: field.visibleSecrets.optional(),
  SESSION_INTROSPECTION_SOURCE: listOf(field.credentialEntry).prefault('bearer'),
  SESSION_FORWARD_URL: address.sourceUrl.optional(),
  SESSION_FORWARD_COOKIES: listOf(field.cookieName).optional(),
  SESSION_HTTP_HOSTS: listOf(address.hostName).optional(),
  SESSION_CACHE_SECONDS: field.integer(0, 3600).prefault('30'),
  SESSION_HEADER: field.headerName.optional(),
  SESSION_HEADER_PEERS: listOf(address.cidr).optional(),
  SESSION_HEADER_PROOF: field.headerSecrets.optional(),
  SESSION_STORE_URL: address.redisUrl.optional(),
  SESSION_STORE_PREFIX: z.string().prefault('sess:'),
  SESSION_STORE_COOKIE: field.cookieName.prefault('connect.sid'),
  SESSION_SECRET: field.secretList.optional(),
  REDIS_URL: address.redisUrl.optional(),
  RATE_LIMIT_PER_MINUTE: field.integer(1, 1_000_000).prefault('30'),
  TOKEN_CACHE_SECONDS: field.integer(0, 86_400).prefault('60'),
  VENDOR_TIMEOUT_MS: field.integer(100, 60_000).prefault('5000'),
  VENDOR_MAX_CONNECTIONS: field.integer(1, 10_000).prefault('128'),
  VENDOR_MAX_QUEUE: field.integer(0, 100_000).prefault('1024'),
  SHUTDOWN_DELAY_MS: field.integer(0, 600_000).prefault(shutdownDefaults.delayMs),
  SHUTDOWN_TIMEOUT_MS: field.integer(0, 600_000).prefault(shutdownDefaults.timeoutMs),
  LOG_LEVEL: z
    .string()
    .toLowerCase()
    .pipe(z.enum(logLevels, `must be one of ${logLevels.join(', ')}`))
    .prefault('info'),
  HTTPS_PROXY: address.proxyUrl.optional(),
  NO_PROXY: z.string().optional(),
})

/** The settings that can also come from a file, by `X_FILE`. */
export const fromFiles = [
  'WIDGET_API_KEY',
  'WIDGET_API_KEYS',
  'RAI_ACCESS_ID',
  'RAI_ACCESS_KEY',
  'SUBJECT_KEY',
  'SESSION_JWT_PUBLIC_KEY',
  'SESSION_JWT_SECRET',
  'SESSION_INTROSPECTION_CLIENT_SECRET',
  'SESSION_HEADER_PROOF',
  'SESSION_STORE_URL',
  'SESSION_SECRET',
  'REDIS_URL',
  'HTTPS_PROXY',
]

export const variableNames: readonly string[] = Object.keys(variables.shape)

export type Variables = z.infer<typeof variables>
