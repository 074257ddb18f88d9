import { randomBytes } from 'node:crypto'
import { parseCookie, stringifySetCookie } from 'cookie'
import type { Request, Response } from 'express'

export interface User {
  id: string
  name: string
  email: string
}

export const users: readonly User[] = [
  { id: 'ada', name: 'Ada Lindqvist', email: 'ada.lindqvist@example.com' },
  { id: 'sam', name: 'Sam Okafor', email: 'sam.okafor@example.com' },
]

const cookieName = 'demo_session'
const keptSessions = 1000

/** The demo app's sessions: random ids in memory, a new one at each sign-in, in an HttpOnly cookie. */
export function createAccounts() {
  const sessions = new Map<string, User>()

  function current(request: Request): User | undefined {
    return sessions.get(sessionId(request))
  }

  function signIn(request: Request, response: Response, user: User) {
    sessions.delete(sessionId(request))
    forgetOldest(sessions)
    const id = randomBytes(32).toString('base64url')
    sessions.set(id, user)
    setCookie(response, id)
  }

  function signOut(request: Request, response: Response) {
    sessions.delete(sessionId(request))
    setCookie(response, '', 0)
  }

  return { current, signIn, signOut }
}

function sessionId(request: Request) {
  return parseCookie(request.headers.cookie ?? '')[cookieName] ?? ''
}

function setCookie(response: Response, value: string, maxAge?: number) {
  const cookie = { name: cookieName, value, httpOnly: true, sameSite: 'lax', path: '/', maxAge } as const
  response.append('Set-Cookie', stringifySetCookie(cookie))
}

function forgetOldest(sessions: Map<string, User>) {
  if (sessions.size < keptSessions) return
  const [oldest] = sessions.keys()
  if (oldest !== undefined) sessions.delete(oldest)
}
