import type { Request, Response } from 'express'
import type { Logger } from '../telemetry/logger.ts'

interface RenewalOptions {
  publicUrls: readonly URL[]
  /** Where the session source is asked. */
  appUrl: URL | undefined
  logger: Logger
}

/** Passes renewed session cookies on to the browser that sent the old ones, or logs once why it cannot. */
export type HandOnCookies = (response: Response, setCookies: readonly string[]) => void

type Obstacle = 'not_same_origin' | 'public_url_has_another_host' | 'cookies_too_large'

const maxBytes = 8 * 1024

/**
 * An app that rotates its session with each answer ended the old one when it answered the broker. The browser
 * must get the new cookies, but only if it takes them for the app's: on the app's own host, from a page of
 * that host. Cookies do not distinguish ports (RFC 6265 §8.5).
 */
export function createCookieHandOn({ publicUrls, appUrl, logger }: RenewalOptions): HandOnCookies {
  const isPublic = publicUrls.some(({ hostname }) => hostname === appUrl?.hostname)
  let warned = false

  function findObstacle({ locals, req }: Response, setCookies: readonly string[]): Obstacle | undefined {
    if (locals.sameOrigin !== true) return 'not_same_origin'
    if (!isPublic || !comesFrom(req, appUrl?.hostname)) return 'public_url_has_another_host'
    return Buffer.byteLength(setCookies.join()) > maxBytes ? 'cookies_too_large' : undefined
  }

  return function handOn(response, setCookies) {
    const outcome = findObstacle(response, setCookies)
    if (outcome === undefined) response.setHeader('set-cookie', setCookies)
    else if (!warned) {
      warned = true
      logger.warn({ event: 'session_renewal_dropped', outcome }, advice)
    }
  }
}

const advice =
  'The route at SESSION_FORWARD_URL renews the session cookies, and the browser did not get the new ones. ' +
  'If the old session ends then, users are signed out of your app. Name a route that renews no cookies, or ' +
  'serve the broker on the host of your app and set PUBLIC_URL'

/** A caller that is not a browser may omit the header. */
function comesFrom({ headers: { origin } }: Request, hostname: string | undefined): boolean {
  return origin === undefined || (URL.canParse(origin) && new URL(origin).hostname === hostname)
}
