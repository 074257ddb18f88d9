import { isLoopback } from '../config/address-fields.ts'
import { headerOf, type BrokerUnderTest } from './broker-under-test.ts'
import { fail, noBroker, pass, skip, warn, type Check, type Finding, type Patient } from './check.ts'
import { searchable } from './secrets.ts'
import { outcomeOf } from './vendor.ts'

/** An origin that cannot exist: `.invalid` is reserved (RFC 6761 §6.4). */
const foreignOrigin = 'https://doctor.invalid'

/** Checks the address, whose proxy may or may not strip a prefix. */
export const checkReachable: Check = async ({ broker }) => {
  if (broker === undefined) return noBroker
  try {
    const { status } = await broker.ask('readyz')
    if (status === 200) return pass(`${broker.url.href}readyz answers 200.`)
    broker.unreachable = status !== 503
    const advice =
      status === 503
        ? 'It is starting or stopping. Wait, or check its log.'
        : 'Check the address and its path. The proxy must strip its own prefix (nginx: proxy_pass with a trailing slash).'
    return fail(`${broker.url.href}readyz answers ${status}.`, advice)
  } catch (fault) {
    broker.unreachable = true
    const seen = `${broker.url.href} does not answer: ${outcomeOf(fault)}.`
    return fail(seen, 'Start the broker, and check the address and the certificate.')
  }
}

export function checkHttps({ broker }: Patient): Finding {
  if (broker === undefined) return noBroker
  const { url } = broker
  if (url.protocol === 'https:') return pass('The address is https.')
  if (isLoopback(url.hostname))
    return warn('The address is http, on this machine.', 'Serve your users over https.')
  return fail(
    'The address is http: sessions and tokens are sent in clear text.',
    'Serve the broker over https.',
  )
}

/**
 * The paths that give out tokens. Without a usable configuration, guesses them from the settings that have a
 * value.
 */
function tokenPaths({ config, env }: Patient): string[] {
  const isSet = (name: string) => Boolean(env[name] || env[`${name}_FILE`])
  const signin = config === undefined ? isSet('WIDGET_API_KEY') : config.signin !== undefined
  const accessKey = config === undefined ? isSet('RAI_ACCESS_KEY') : config.accessKey !== undefined
  return [...(signin || !accessKey ? ['widget-token'] : []), ...(accessKey ? ['embed-token'] : [])]
}

/** The guide's "the endpoint validates user authentication". */
export async function checkSessionRequired(broker: BrokerUnderTest, patient: Patient): Promise<Finding> {
  for (const path of tokenPaths(patient)) {
    const { status } = await broker.ask(path, { method: 'POST' })
    if (status !== 401) {
      const seen = `/${path} answers ${status} to a caller without a session.`
      const advice =
        status < 300
          ? 'Anyone gets a token. Find the proxy or session source that signs such callers in.'
          : 'It must be 401. Check the path, and that a proxy in front forwards the request instead of redirecting it.'
      return fail(seen, advice)
    }
  }
  return pass('A caller without a session is refused with 401.')
}

export async function checkForeignOrigin(broker: BrokerUnderTest, patient: Patient): Promise<Finding> {
  for (const path of tokenPaths(patient)) {
    const answer = await broker.ask(path, { method: 'POST', headers: { origin: foreignOrigin } })
    const shared = headerOf(answer, 'access-control-allow-origin')
    if (shared !== undefined) {
      const seen = `/${path} lets a foreign page read its answers (Access-Control-Allow-Origin).`
      return fail(seen, 'Remove the header from the proxy that adds it. The broker sends it itself.')
    }
    if (answer.status !== 403) {
      const seen = `/${path} answers ${answer.status} to a page of a foreign origin.`
      return fail(seen, 'It must be 403. Check that the proxy in front forwards the Origin header unchanged.')
    }
  }
  return pass('A page of a foreign origin is refused with 403.')
}

/** Each origin asks as a browser does before a request with headers of its own. */
export async function checkAllowedOrigins(broker: BrokerUnderTest, patient: Patient): Promise<Finding> {
  const origins = [...(patient.config?.allowedOrigins ?? [])]
  if (origins.length === 0) return skip('ALLOWED_ORIGINS is not set: only pages of the own origin may ask.')
  const refused: string[] = []
  for (const origin of origins) {
    const headers = { origin, 'access-control-request-method': 'POST' }
    const answers = await Promise.all(
      tokenPaths(patient).map((path) => broker.ask(path, { method: 'OPTIONS', headers })),
    )
    const passes = answers.every(
      (answer) =>
        answer.status < 300 &&
        headerOf(answer, 'access-control-allow-origin') === origin &&
        headerOf(answer, 'access-control-allow-credentials') === 'true',
    )
    if (!passes) refused.push(origin)
  }
  if (refused.length === 0) return pass(`The preflight of each passes: ${origins.join(', ')}.`)
  const advice =
    'Restart the broker with the same ALLOWED_ORIGINS. No proxy may answer OPTIONS or add CORS headers.'
  return fail(`The preflight of these fails: ${refused.join(', ')}.`, advice)
}

/** Everything that anybody can fetch, and every answer so far. */
export async function checkKeyNotPublic(broker: BrokerUnderTest, { config }: Patient): Promise<Finding> {
  if (config === undefined) return skip('The configuration is not usable: its secrets are not known.')
  const open = ['', 'config.json', 'bridge.js', 'embed.js', 'openapi.json', 'healthz', 'metrics', '.env']
  for (const path of open) await broker.ask(path)
  for (const path of linkedFrom(broker.answers)) await broker.ask(path)
  const sought = searchable(config.secrets)
  const found = broker.answers.filter((answer) => sought.some((secret) => holds(answer, secret)))
  if (found.length === 0) return pass(`No configured secret is in any of ${broker.answers.length} answers.`)
  const advice =
    'Replace the secret. Then find what puts it there: a file in public/, or a proxy that adds a header.'
  return fail(`A configured secret is in ${found.length} of ${broker.answers.length} answers.`, advice)
}

/** What the page loads from the broker itself. */
function linkedFrom(answers: readonly string[]): Set<string> {
  const links = answers.flatMap((answer) => [...answer.matchAll(/(?:src|href)="\.?\/?([\w./-]+)"/g)])
  return new Set(links.map(([, path]) => path!).filter((path) => !path.includes('//')))
}

function holds(answer: string, secret: string): boolean {
  return answer.includes(secret) || answer.includes(encodeURIComponent(secret))
}
