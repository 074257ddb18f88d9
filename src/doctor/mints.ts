import type { Config } from '../config/config.ts'
import type { HttpClient } from '../outbound/client.ts'
import { Problem, type ProblemCode } from '../problems.ts'
import { createEmbedTokenIssuer } from '../returning-ai/embed-token.ts'
import type { TokenIssuer } from '../returning-ai/issuer.ts'
import { createKeyRings } from '../returning-ai/keys.ts'
import { createSignin } from '../returning-ai/signin.ts'
import { createVendorTransport } from '../returning-ai/transport.ts'
import { sessionOfEmail, type Session } from '../session/identity.ts'
import { silentLogger } from '../telemetry/logger.ts'
import { fail, failOtherSide, pass, skip, type Finding, type Patient } from './check.ts'
import { waitAdvice } from './vendor.ts'

type Advice = Partial<Record<ProblemCode, string>>

const signinAdvice: Advice = {
  vendor_rejected_credentials:
    "Copy the key again from the admin settings of the widget's feature, and check that WIDGET_COMMUNITY_ID is the id of the same community.",
  vendor_rejected_request:
    'Check WIDGET_COMMUNITY_ID (admin settings > Appearance), and that --email is a user whom the vendor knows.',
  vendor_bad_response: 'Check WIDGET_BASE_URL: what answers there is not the sign-in of Returning.AI.',
}
const embedAdvice: Advice = {
  vendor_rejected_credentials:
    'Copy RAI_ACCESS_ID and RAI_ACCESS_KEY again from the admin settings, and check that the key is not revoked.',
  vendor_rejected_request:
    'Check RAI_API_URL, and that RAI_USER_IDENTIFIERS has the names of the widget\'s "User Identifier Fields".',
  vendor_bad_response: 'Check RAI_API_URL: what answers there is not the API of Returning.AI.',
}
const noUser = skip(
  'No test user was given.',
  'Pass the email of a test user with --email, or set WIDGET_PROBE_EMAIL.',
)

interface Attempt {
  name: string
  problem?: Problem
}

/** Signs the test user in with each key, once: the guide's "API key is right and in the environment". */
export async function checkSignin(config: Config, { client, email }: Patient): Promise<Finding> {
  if (config.signin === undefined) return skip('WIDGET_API_KEY is not set.', 'Set it if you embed iframes.')
  if (email === undefined) return noUser
  const { keys, byWidgetType, communityId } = config.signin
  const session = sessionOfEmail(email, config.sessions.identity)
  const attempts: Attempt[] = []
  for (const key of new Set([...keys, ...byWidgetType.values()]))
    attempts.push(await attempt(createIssuerOfKey(config, communityId, client, key), session))
  return judgeAttempts(attempts, signinAdvice)
}

/** Mints one embed token for the test user. */
export async function checkEmbed(config: Config, { client, email }: Patient): Promise<Finding> {
  const { accessKey, vendor, sessions } = config
  if (accessKey === undefined)
    return skip('RAI_ACCESS_ID is not set.', "Set it if you embed with the vendor's SDK.")
  if (email === undefined) return noUser
  const transport = createVendorTransport({ client, logger: silentLogger, ...vendor })
  const accessKeys = { current: accessKey }
  const issuer = createEmbedTokenIssuer({ ...vendor, transport, accessKeys, logger: silentLogger })
  const made = await attempt(issuer, sessionOfEmail(email, sessions.identity))
  if (made.problem?.code !== 'identity_unusable') return judgeAttempts([made], embedAdvice)
  const seen = `RAI_USER_IDENTIFIERS needs more than an email: ${made.problem.diagnosis.claim}.`
  return skip(seen, 'Sign in to your app, and open a page with a widget.')
}

function createIssuerOfKey(
  { vendor }: Config,
  communityId: string,
  client: HttpClient,
  key: string,
): TokenIssuer {
  const transport = createVendorTransport({ client, logger: silentLogger, ...vendor })
  const keys = createKeyRings({ keys: [key], byWidgetType: new Map() })
  return createSignin({ transport, keys, logger: silentLogger, ...vendor, communityId })(undefined)
}

async function attempt(issuer: TokenIssuer, session: Session): Promise<Attempt> {
  try {
    const { keyId } = await issuer.issue(session, new AbortController().signal)
    return { name: `key ${keyId}` }
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return { name: `key ${error.diagnosis.keyId ?? 'unknown'}`, problem: error }
  }
}

function judgeAttempts(attempts: readonly Attempt[], advice: Advice): Finding {
  const seen = attempts.map(({ name, problem }) => `${name}: ${problem ? describe(problem) : 'accepted'}`)
  const problems = attempts.flatMap(({ problem }) => problem ?? [])
  const mine = problems.find(({ status }) => status !== 503)
  if (mine !== undefined) return fail(seen.join('; '), advice[mine.code] ?? waitAdvice)
  return problems.length > 0 ? failOtherSide(seen.join('; '), waitAdvice) : pass(seen.join('; '))
}

function describe({ code, diagnosis: { outcome, vendorStatus } }: Problem): string {
  const details = [outcome, vendorStatus && `status ${vendorStatus}`].filter(Boolean)
  return details.length === 0 ? code : `${code} (${details.join(', ')})`
}
