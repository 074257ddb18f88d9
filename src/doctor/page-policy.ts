import type { Config } from '../config/config.ts'
import { headerOf, type BrokerUnderTest } from './broker-under-test.ts'
import { fail, pass, skip, type Finding, type Patient } from './check.ts'

/**
 * Whether the broker's own page may frame the widgets, and what a page of the customer's must allow to do so.
 */
export async function checkPagePolicy(broker: BrokerUnderTest, { config }: Patient): Promise<Finding> {
  if (config === undefined) return skip('The configuration is not usable: the widgets are not known.')
  const needed = `A page with widgets needs: ${policyOf(broker, config)}`
  if (!config.statusPage) return skip(`STATUS_PAGE is off. ${needed}`)
  const answer = await broker.ask('')
  if (answer.status !== 200) {
    const advice = 'Check that the proxy in front strips its prefix.'
    return fail(`The page answers ${answer.status}. ${needed}`, advice)
  }
  const origin = config.vendor.baseUrl.origin
  if (policiesOf(headerOf(answer, 'content-security-policy')).every((policy) => frames(policy, origin)))
    return pass(`The page's policy allows the widgets. ${needed}`)
  const advice =
    'Run the broker with the same WIDGET_BASE_URL, and make sure that no proxy adds a Content-Security-Policy.'
  return fail(`The page's Content-Security-Policy blocks ${origin}. ${needed}`, advice)
}

/** The vendor's SDK also calls the vendor's API from the page. */
function policyOf({ url }: BrokerUnderTest, { vendor, accessKey }: Config): string {
  const connect = [url.origin, ...(accessKey ? [accessKey.apiUrl.origin] : [])].join(' ')
  return `script-src ${url.origin}; connect-src ${connect}; frame-src ${vendor.baseUrl.origin}`
}

/** Several policies hold together: each must allow the frame (CSP3 §8.1). */
function policiesOf(header = ''): Map<string, string[]>[] {
  return header.split(',').map((policy) => {
    const directives = policy.split(';').map((directive) => directive.trim().split(/\s+/))
    return new Map(directives.map(([name = '', ...sources]) => [name.toLowerCase(), sources]))
  })
}

function frames(policy: ReadonlyMap<string, string[]>, origin: string): boolean {
  const sources = policy.get('frame-src') ?? policy.get('child-src') ?? policy.get('default-src')
  const scheme = origin.slice(0, origin.indexOf(':') + 1)
  return sources === undefined || [origin, scheme, '*'].some((source) => sources.includes(source))
}
