import { isIP } from 'node:net'
import type { Request, RequestHandler } from 'express'
import ipaddr from 'ipaddr.js'
import type { Logger } from '../telemetry/logger.ts'

/**
 * The caller's address, an IPv4-mapped one as IPv4. What a trusted proxy sends counts only if it is an
 * address.
 */
export function clientAddress(request: Request): string | undefined {
  const given = withoutPort(request.ip ?? '')
  const address = isIP(given) === 0 ? request.socket.remoteAddress : given
  return address?.replace(/^::ffff:(?=\d+\.)/i, '')
}

/**
 * Azure's gateways write the port of each address into `X-Forwarded-For`: `203.0.113.9:51234`,
 * `[2001:db8::1]:443`.
 */
export function withoutPort(address: string): string {
  return address.replace(/^(\d+(?:\.\d+){3}):\d{1,5}$|^\[([^\]]+)\](?::\d{1,5})?$/, '$1$2')
}

/**
 * The network that limits count by: an IPv4 address, or the /56 of an IPv6 one, since a subscriber has at
 * least that many.
 */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address
  const parsed = ipaddr.process(address)
  if (parsed.kind() === 'ipv4') return parsed.toString()
  return `${Buffer.from(parsed.toByteArray().slice(0, 7)).toString('hex')}/56`
}

/** The caller's network, for limits. */
export function clientNetwork(request: Request): string {
  return networkOf(clientAddress(request) ?? '')
}

/**
 * Warns once when a peer that `TRUST_PROXY` does not name sends `X-Forwarded-For`. That peer is probably a
 * reverse proxy, and all of its visitors then share one address in the log and in the limits.
 */
export function warnOfUntrustedProxy(logger: Logger): RequestHandler {
  let warned = false
  return function checkForwardedFor(request, _response, next) {
    if (!warned && request.headers['x-forwarded-for'] !== undefined) warn(request)
    next()
  }

  function warn({ app, socket }: Request): void {
    const isTrusted = app.get('trust proxy fn') as (address: string | undefined, hop: number) => boolean
    if (isTrusted(socket.remoteAddress, 0)) return
    warned = true
    const advice =
      'A peer sends X-Forwarded-For, but is not in TRUST_PROXY. If it is your reverse proxy, add it there'
    logger.warn({ event: 'untrusted_proxy', peer: socket.remoteAddress }, advice)
  }
}
