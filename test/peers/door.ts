import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Problem } from '../../src/problems.ts'
import { createSessions } from '../../src/session/sessions.ts'
import type { SessionVerifier } from '../../src/session/verifier.ts'
import { createIdentify, requireEmail, type IdentityPolicy } from '../../src/session/identity.ts'
import { send, type HeaderLines } from './exchange.ts'
import { listen, shut } from './listen.ts'

/** What the sessions said of one request, as a caller and an operator would learn it. */
export interface Verdict {
  status: number
  code?: string
  outcome?: string
  email?: string
  subject?: string
  retryAfter?: string
}

export interface Door {
  origin: string
  /** Headers are pairs, so that a name may come twice. */
  ask(headers: HeaderLines): Promise<Verdict>
  close(): Promise<void>
}

export const policy: IdentityPolicy = {
  emailClaims: ['email'],
  subjectClaims: ['sub'],
  emailDomains: new Set(),
  subjectKey: 'a-key-for-subjects',
}

/** Puts verifiers behind real HTTP, with nothing in between but the chain and the identity rules. */
export async function openDoor(
  verifiers: readonly SessionVerifier[],
  changes: Partial<IdentityPolicy> = {},
  host?: string,
): Promise<Door> {
  const sessions = createSessions(verifiers, createIdentify({ ...policy, ...changes }))

  async function judge(request: IncomingMessage): Promise<Verdict> {
    try {
      const { signal } = new AbortController()
      const session = await sessions.verify(request, { signal, require: requireEmail })
      return { status: 200, email: requireEmail(session), subject: session.subject }
    } catch (error) {
      if (!(error instanceof Problem)) return { status: 500, outcome: String(error) }
      const { status, code, diagnosis, headers } = error
      return { status, code, outcome: diagnosis.outcome, retryAfter: headers['retry-after'] }
    }
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.end(JSON.stringify(await judge(request)))
  }

  const server = createServer((request, response) => void answer(request, response))
  const origin = await listen(server, host)
  return { origin, ask: (headers) => ask(origin, headers), close: () => shut(server) }
}

/** Asks any address that answers with a verdict. */
export async function ask(origin: string, headers: HeaderLines, path = '/'): Promise<Verdict> {
  const { body } = await send(origin, { method: 'POST', path, headers })
  return JSON.parse(body) as Verdict
}
