/**
 * What a code means to the person who sets the broker up: what happened, what to do, and which values of
 * `outcome` in the log narrow it down.
 * @typedef {{ say: string, fix: string, outcomes?: string }} Cause
 */

/** The codes of the broker, in the order of src/problems.ts. @type {Record<string, Cause>} */
const problems = {
  bad_request: {
    say: 'The request is malformed.',
    fix:
      'It usually has two different sessions of the same kind, such as an old cookie of a parent domain. ' +
      'Delete the old one.',
  },
  session_missing: {
    say: 'The request has no session.',
    fix:
      'Sign in to your app. If you are signed in, your cookie does not reach the broker: serve the ' +
      'broker under your app’s own host, or set the cookie’s Domain. For tokens, check SESSION_MODE and ' +
      'SESSION_JWT_SOURCE.',
  },
  session_invalid: {
    say: 'The session was refused.',
    fix: 'Sign in again. If that does not help, the broker’s session settings do not match your app.',
    outcomes:
      'answer_status_401 (your app refused it), answer_without_user, expired, claim_iss, claim_aud, wrong_signature, cookie_signature',
  },
  origin_not_allowed: {
    say: 'The broker does not accept requests from this page’s origin.',
    fix:
      'Add the exact origin to ALLOWED_ORIGINS. Behind a proxy, make it forward the Host header, or set ' +
      'PUBLIC_URL.',
    outcomes: 'origin_not_listed, origin_not_host, origin_null, origin_missing',
  },
  identity_unusable: {
    say: 'The session is valid, but lacks what the vendor needs to know about the user.',
    fix:
      'Set SESSION_EMAIL_CLAIM to the claim that contains the email. For Access Key Embed, check ' +
      'RAI_USER_IDENTIFIERS.',
    outcomes: 'email_missing, email_not_plain, email_not_ascii, email_list; “claim” names the missing claim',
  },
  email_unverified: {
    say: 'The session’s email is not verified.',
    fix:
      'Verify the address at your identity provider. SESSION_REQUIRE_VERIFIED_EMAIL decides what the ' +
      'broker accepts.',
  },
  email_domain_not_allowed: {
    say: 'The session’s email domain is not allowed.',
    fix: 'Add the domain to SESSION_EMAIL_DOMAINS.',
  },
  not_found: {
    say: 'The broker has no such address.',
    fix:
      'Check data-token-url, and that a proxy strips its own path (in nginx, proxy_pass ends with a ' +
      'slash).',
  },
  method_not_allowed: {
    say: 'The request has the wrong method.',
    fix: 'Ask for tokens with POST. A redirect on the way turns POST into GET: check the proxy.',
  },
  payload_too_large: {
    say: 'The request’s body is too large.',
    fix: 'Send no body. The broker ignores it.',
  },
  unsupported_media_type: {
    say: 'The request’s body is not JSON.',
    fix: 'Send no body. The broker ignores it.',
  },
  rate_limited: {
    say: 'Too many requests in one minute.',
    fix:
      'Wait a minute. If your users need more, raise RATE_LIMIT_PER_MINUTE. Set TRUST_PROXY, so that ' +
      'they do not share one address.',
    outcomes: 'user_limit, address_limit',
  },
  internal: {
    say: 'The broker has an internal error.',
    fix: 'Find the stack trace in the log under this request id, and report it as a bug.',
  },
  vendor_rejected_credentials: {
    say: 'The vendor refuses the broker’s key.',
    fix:
      'Check WIDGET_API_KEY and WIDGET_COMMUNITY_ID. For Access Key Embed, check RAI_ACCESS_ID and ' +
      'RAI_ACCESS_KEY.',
    outcomes: 'vendor_auth_failed',
  },
  vendor_rejected_request: {
    say: 'The vendor refuses the request.',
    fix: 'Check WIDGET_COMMUNITY_ID and WIDGET_BASE_URL. For Access Key Embed, check RAI_API_URL.',
    outcomes: 'vendor_not_found, vendor_4xx',
  },
  vendor_bad_response: {
    say: 'The vendor’s answer contains no usable token.',
    fix: 'Check WIDGET_BASE_URL or RAI_API_URL, and that no proxy answers instead of the vendor.',
    outcomes: 'unexpected_redirect, unexpected_content_type, invalid_json, invalid_shape, tls_failure',
  },
  vendor_unavailable: {
    say: 'The vendor is unreachable or failing.',
    fix: 'Check WIDGET_BASE_URL or RAI_API_URL, and HTTPS_PROXY. If they are correct, wait for the vendor.',
    outcomes: 'dns_failure, connect_refused, connect_timeout, reset, vendor_5xx, circuit_open',
  },
  vendor_timeout: {
    say: 'The vendor did not answer in time.',
    fix: 'Wait for the vendor, or raise VENDOR_TIMEOUT_MS.',
    outcomes: 'timeout_connect, timeout_headers, timeout_body',
  },
  vendor_rate_limited: {
    say: 'The vendor limits the rate of requests.',
    fix: 'Wait. The broker pauses for as long as the vendor asks, and then continues.',
    outcomes: 'vendor_rate_limited, vendor_pause',
  },
  session_source_unavailable: {
    say: 'Your app’s sign-in does not answer the broker as expected.',
    fix:
      'Check SESSION_FORWARD_URL, SESSION_JWT_JWKS_URL, SESSION_INTROSPECTION_URL or SESSION_STORE_URL, ' +
      'and that the service runs.',
    outcomes: 'connect_refused, answer_not_json, answer_moved, answer_status_404, redis_auth',
  },
  overloaded: {
    say: 'The broker is busy.',
    fix: 'Wait. If this lasts, start another replica, or raise VENDOR_MAX_CONNECTIONS.',
  },
  shutting_down: {
    say: 'This replica of the broker is stopping.',
    fix: 'Wait until another replica takes over.',
  },
}

/** The codes that the bridge itself reports. @type {Record<string, Cause>} */
const ofBridge = {
  network: {
    say: 'The broker cannot be reached.',
    fix:
      'Check that it runs, and that the proxy passes this address on to it. In your own pages, check ' +
      'ALLOWED_ORIGINS and the page’s Content-Security-Policy too.',
  },
  no_token: {
    say: 'The answer contains no token.',
    fix: 'Something else answers at this address, such as a login page. Check data-token-url and the proxy.',
  },
  token_refused: {
    say: 'A widget refused three new tokens in a row.',
    fix:
      'Check that the key and the widget belong to one community, and WIDGET_API_KEYS for this widget’s ' +
      'type.',
  },
  headers: {
    say: 'The page’s own headers function failed.',
    fix: 'Check the function that the page gives to returningAI.configure(): it threw, or took too long.',
  },
}

/** @type {Record<string, Cause>} */
const causes = { ...problems, ...ofBridge }

export const explainedCodes = Object.keys(causes)

/** @param {string} code @returns {Cause} */
export function causeOf(code) {
  const known = Object.hasOwn(causes, code) ? causes[code] : undefined
  const status = /^http_(\d{3})$/.exec(code)?.[1]
  return known ?? (status ? causeOfStatus(status) : unknownCause)
}

const unknownCause = { say: 'The broker refused the request.', fix: 'docs/problems.md explains each code.' }

/** An answer without a problem code comes from something in front of the broker. @param {string} status */
function causeOfStatus(status) {
  const isUnreachable = ['502', '503', '504'].includes(status)
  return {
    say: isUnreachable ? 'The proxy cannot reach the broker.' : `A proxy answered with status ${status}.`,
    fix: isUnreachable
      ? 'Check that the broker runs, and the address that the proxy forwards to.'
      : 'Check the proxy in front of the broker, and the path that it forwards.',
  }
}
