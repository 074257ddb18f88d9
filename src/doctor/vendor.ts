import type { Config } from '../config/config.ts'
import type { HttpClient } from '../outbound/client.ts'
import { OutboundFault } from '../outbound/fault.ts'
import { Problem, type ProblemCode } from '../problems.ts'
import { createKeyRings } from '../returning-ai/keys.ts'
import { createSignin } from '../returning-ai/signin.ts'
import type { TokenIssuer } from '../returning-ai/issuer.ts'
import { createVendorTransport } from '../returning-ai/transport.ts'
import { sessionOfEmail } from '../session/identity.ts'
import { silentLogger } from '../telemetry/logger.ts'
import { fail, failOtherSide, pass, skip, type Finding, type Patient } from './check.ts'

const advice: Partial<Record<ProblemCode, string>> = {
  vendor_rejected_credentials:
    "Copy the key again from the admin settings of the widget's feature, and check that WIDGET_COMMUNITY_ID is the id of the same community.",
  vendor_rejected_request:
    'Check WIDGET_COMMUNITY_ID (admin settings > Appearance), and that --email is a user whom the vendor knows.',
  vendor_bad_response: 'Check WIDGET_BASE_URL: what answers there is not the sign-in of Returning.AI.',
}
const waitAdvice =
  'Check that this machine reaches the vendor (DNS, firewall, HTTPS_PROXY). Otherwise, try again later.'

interface Attempt {
  name: string
  problem?: Problem
}

/** Signs the test user in with each key, once: the guide's "API key is right and in the environment". */
export async function checkSignin(config: Config, { client, email }: Patient): Promise<Finding> {
  if (config.signin === undefined) return skip('WIDGET_API_KEY is not set.', 'Set it if you embed iframes.')
  if (email === undefined) return skip('No test user was named.', 'Pass the email of one with --email.')
  const { keys, byWidgetType } = config.signin
  const attempts: Attempt[] = []
  for (const key of new Set([...keys, ...byWidgetType.values()]))
    attempts.push(
      await attempt(createIssuerOfKey(config, config.signin.communityId, client, key), config, email),
    )
  return judgeAttempts(attempts)
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

async function attempt(issuer: TokenIssuer, { sessions }: Config, email: string): Promise<Attempt> {
  try {
    const session = sessionOfEmail(email, sessions.identity)
    const { keyId } = await issuer.issue(session, new AbortController().signal)
    return { name: `key ${keyId}` }
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return { name: `key ${error.diagnosis.keyId ?? 'unknown'}`, problem: error }
  }
}

function judgeAttempts(attempts: readonly Attempt[]): Finding {
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

/** Asks for the page of each widget of WIDGETS: the guide's "check the widget type and id". */
export async function checkWidgetPages({ widgets, vendor }: Config, { client }: Patient): Promise<Finding> {
  if (widgets.length === 0) return skip('WIDGETS is not set.', 'Set it to check your widgets.')
  const pages = await Promise.all(
    widgets.map(async ({ type, id }) => {
      const status = await statusOf(client, new URL(`/${type}/${id}`, vendor.baseUrl))
      return { name: `${type}:${id}`, status }
    }),
  )
  const bad = pages.filter(({ status }) => typeof status === 'string' || status >= 400)
  if (bad.length === 0) return pass(`The vendor answers the address of all ${pages.length}.`)
  const seen = bad.map(({ name, status }) => `${name}: ${status}`).join('; ')
  if (bad.some(({ status }) => typeof status === 'number' && status < 500))
    return fail(
      seen,
      'Compare the type and id in WIDGETS with the "Iframe" code example of the widget\'s feature.',
    )
  return failOtherSide(seen, waitAdvice)
}

/** The status of an answer, or in a word why there is none. */
async function statusOf(client: HttpClient, url: URL): Promise<number | string> {
  try {
    return (await ask(client, url)).status
  } catch (fault) {
    return outcomeOf(fault)
  }
}

function ask(client: HttpClient, url: URL) {
  const headers = { accept: '*/*', 'accept-encoding': 'identity' }
  return client.exchange({ url, method: 'GET', headers, timeoutMs: 10_000, maxBytes: 4 * 1024 * 1024 })
}

export function outcomeOf(fault: unknown): string {
  if (fault instanceof OutboundFault) return fault.outcome
  throw fault
}

/** Tokens and sessions carry their ends as times of day: a wrong clock expires them early or late. */
export async function checkClock({ vendor }: Config, { client }: Patient): Promise<Finding> {
  const askedAt = Date.now()
  try {
    const { headers } = await ask(client, vendor.baseUrl)
    const theirs = Date.parse(String(headers.date))
    if (Number.isNaN(theirs)) return skip('The vendor does not say the time.')
    // Dates have whole seconds.
    const offset = Math.round((theirs + 500 - (askedAt + Date.now()) / 2) / 1000)
    const seen = `This clock and the vendor's are ${Math.abs(offset)} s apart.`
    return Math.abs(offset) <= 30 ? pass(seen) : fail(seen, 'Synchronize the clock of this machine (NTP).')
  } catch (fault) {
    return failOtherSide(`The vendor does not answer: ${outcomeOf(fault)}.`, waitAdvice)
  }
}
