import type { HttpClient } from '../http/client.ts'
import { OutboundFault } from '../http/fault.ts'
import { problemOfFault, problemOfStatus } from './refusals.ts'

export interface VendorRequest {
  url: URL
  headers: Record<string, string>
  body?: string
}

/** A 200 of the vendor. `vendorMs` is the whole call, retries included. */
export interface VendorAnswer {
  body: string
  vendorMs: number
  attempts: number
}

export interface VendorTransport {
  /** POSTs to the vendor within one absolute deadline; rejects with the `Problem` of whatever is not a 200. */
  send(request: VendorRequest, signal: AbortSignal): Promise<VendorAnswer>
}

interface TransportOptions {
  client: HttpClient
  timeoutMs: number
}

const maxBytes = 65_536

/** The road to the vendor: what is between a mint and the wire. */
export function createVendorTransport({ client, timeoutMs }: TransportOptions): VendorTransport {
  return {
    async send(request, signal) {
      const startedAt = performance.now()
      const answer = await client
        .exchange({ ...request, method: 'POST', timeoutMs, maxBytes, signal })
        .catch((fault: unknown) => {
          throw fault instanceof OutboundFault ? problemOfFault(fault) : fault
        })
      if (answer.status !== 200) throw problemOfStatus(answer)
      return { body: answer.body, vendorMs: Math.round(performance.now() - startedAt), attempts: 1 }
    },
  }
}
