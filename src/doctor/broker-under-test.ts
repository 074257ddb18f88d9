import type { HttpClient } from '../outbound/client.ts'
import type { OutboundAnswer, OutboundRequest } from '../outbound/exchange.ts'

type Question = Partial<Pick<OutboundRequest, 'method' | 'headers'>>

/** The running broker, as the world sees it. */
export interface BrokerUnderTest {
  /** The public address, with a slash at its end: the broker may live under a path. */
  url: URL
  /** Set once it is known that nothing answers there. */
  unreachable: boolean
  /** Every answer so far, as text. */
  answers: string[]
  /** Asks for a path below the address. Rejects with `OutboundFault` where there is no HTTP answer. */
  ask(path: string, question?: Question): Promise<OutboundAnswer>
}

const timeoutMs = 10_000
const maxBytes = 4 * 1024 * 1024

export function createBrokerUnderTest(client: HttpClient, address: URL): BrokerUnderTest {
  const url = new URL(address)
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  const answers: string[] = []
  return {
    url,
    unreachable: false,
    answers,
    async ask(path, { method = 'GET', headers = {} } = {}) {
      const answer = await client.exchange({
        url: new URL(path, url),
        method,
        headers: {
          'user-agent': 'returning-ai-token-broker-doctor',
          'accept-encoding': 'identity',
          ...headers,
        },
        timeoutMs,
        maxBytes,
      })
      answers.push(`${JSON.stringify(answer.headers)}\n${answer.body}`)
      return answer
    },
  }
}

/** One header of an answer as text; several lines of it are joined, as HTTP allows. */
export function headerOf({ headers }: OutboundAnswer, name: string): string | undefined {
  return [headers[name] ?? []].flat().join(', ') || undefined
}
