import type { OutboundAnswer } from '../outbound/exchange.ts'
import { cookieNameOf } from './forward-question.ts'

const fieldValue = /^[\t\x20-\x7e\x80-\xff]+$/

/**
 * Returns the `Set-Cookie` lines of an answer that renew cookies of the question: a rotated session. Others,
 * such as a load balancer's, belong to no session.
 */
export function pickRenewedCookies(
  { headers }: OutboundAnswer,
  carried: string | undefined,
): readonly string[] | undefined {
  const lines = [headers['set-cookie'] ?? []].flat()
  if (lines.length === 0 || carried === undefined) return undefined
  const names = new Set(carried.split(';').map(cookieNameOf))
  const renewed = lines.filter(
    (line) => names.has(cookieNameOf(line.split(';')[0]!)) && fieldValue.test(line),
  )
  return renewed.length > 0 ? renewed : undefined
}
