import type { Config } from '../config/config.ts'
import type { HttpClient } from '../outbound/client.ts'
import { OutboundFault } from '../outbound/fault.ts'
import { fail, failOtherSide, pass, skip, type Finding, type Patient } from './check.ts'

export const waitAdvice =
  'Check that this machine reaches the vendor (DNS, firewall, HTTPS_PROXY). Otherwise, try again later.'

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
export async function checkClock(
  { vendor, signin, accessKey }: Config,
  { client }: Patient,
): Promise<Finding> {
  const address = signin === undefined && accessKey ? accessKey.apiUrl : vendor.baseUrl
  const askedAt = Date.now()
  try {
    const { headers } = await ask(client, address)
    const theirs = Date.parse(String(headers.date))
    if (Number.isNaN(theirs)) return skip('The answer of the vendor has no Date header.')
    // Dates have whole seconds.
    const offset = Math.round((theirs + 500 - (askedAt + Date.now()) / 2) / 1000)
    const seen = `This clock and the vendor's are ${Math.abs(offset)} s apart.`
    return Math.abs(offset) <= 30 ? pass(seen) : fail(seen, 'Synchronize the clock of this machine (NTP).')
  } catch (fault) {
    return failOtherSide(`The vendor does not answer: ${outcomeOf(fault)}.`, waitAdvice)
  }
}
