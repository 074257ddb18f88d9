import { createHttpClient, type HttpClient } from '../../src/outbound/client.ts'
import { atEnd } from './clean-up.ts'

/** The broker's own client for what leaves it, until the test is over. */
export function useClient(options: Parameters<typeof createHttpClient>[0]): HttpClient {
  const client = createHttpClient(options)
  return { ...client, close: atEnd(() => client.close()) }
}
