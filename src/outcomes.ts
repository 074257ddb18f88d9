/**
 * Every `outcome` with which the log explains a refused request, by the code of its problem. `…` stands for a
 * number or a name. `docs/problems.md` is generated from these texts, and the type checker accepts no others.
 */
export const outcomes = {
  bad_request: {
    ambiguous_credentials: 'The request has two different credentials of the same kind.',
    ambiguous_framing:
      'Proxies could interpret the request differently, for example because it has two Host headers.',
    unknown_expectation: 'The request has an Expect header other than 100-continue.',
    'HPE_…': 'The HTTP parser cannot read the request. Node.js names the reason.',
    'ERR_HTTP_…': 'The request did not arrive in time. Node.js names the reason.',
  },
  session_invalid: {
    'answer_status_…': 'The route at SESSION_FORWARD_URL answered with this status: the user is signed out.',
    answer_without_user:
      'The answer has neither the email nor the user id. The log event of the same name lists its fields.',
    expired: 'The token has expired.',
    malformed: 'The credential is not a JWT.',
    token_encrypted:
      'The token is encrypted (JWE), like those of Auth.js. Use SESSION_MODE=forward-auth instead.',
    algorithm_not_allowed: 'The token is signed with an algorithm that SESSION_JWT_ALGORITHMS does not list.',
    unknown_key: 'The provider does not publish the key that signed the token.',
    unusable_key: 'The key that the token names cannot verify a signature.',
    wrong_signature: 'The signature of the token is wrong.',
    'claim_…':
      'This claim is missing or does not match the settings: claim_iss, claim_aud, claim_azp, claim_nbf.',
    inactive: 'The introspection endpoint says that the token is not active.',
    unsupported_token_type: 'The introspection endpoint does not support tokens of this kind.',
    cookie_unsigned: 'The session cookie is not signed.',
    cookie_signature: 'The session cookie is signed with a secret that is not in SESSION_SECRET.',
    session_unknown: 'The session is not in the store: it has ended, or SESSION_STORE_PREFIX is wrong.',
    session_expired: 'The session in the store has expired.',
    stored_session_too_large: 'The session in the store is too large.',
    session_without_user:
      'The session in the store has neither the email nor the user id. The log event of the same name lists its fields.',
    credential_too_long: 'The cookie or token has more than 8,192 characters.',
    untrusted_peer: 'SESSION_HEADER came from an address that SESSION_HEADER_PEERS does not list.',
    wrong_proof: 'SESSION_HEADER came without the secret of SESSION_HEADER_PROOF.',
  },
  origin_not_allowed: {
    origin_not_listed: 'ALLOWED_ORIGINS does not list the page’s origin.',
    origin_not_host:
      'Origin and Host differ. The proxy must forward Host, or PUBLIC_URL must name the address.',
    origin_null: 'The page is a local file, or a frame with a sandbox.',
    origin_missing:
      'A request with a cookie has no Origin header. Browsers send one; add it to a curl command.',
    not_a_script: 'A form, a link or a frame sent the request, not a script.',
  },
  identity_unusable: {
    email_missing: 'The session has none of the claims that SESSION_EMAIL_CLAIM names.',
    email_list: 'The claim has several emails.',
    email_not_ascii: 'The email has characters that are not ASCII.',
    email_not_plain: 'The claim is not a plain email address.',
    subject_list: 'The proxy’s answer has several user ids.',
    identifier_missing: 'The session lacks a claim that RAI_USER_IDENTIFIERS names. `claim` says which.',
    identifier_not_plain:
      'A claim that RAI_USER_IDENTIFIERS names is not plain text or a number. `claim` says which.',
  },
  not_found: { version_withdrawn: 'A security fix replaced this version of the script.' },
  rate_limited: {
    user_limit: 'The user has reached RATE_LIMIT_PER_MINUTE.',
    session_limit: 'The page requested a new token with Cache-Control: no-cache too often.',
    address_limit: 'Too many requests from this client network were refused.',
  },
  vendor_rejected_credentials: { vendor_auth_failed: 'The vendor answered 401 or 403.' },
  vendor_rejected_request: {
    vendor_not_found: 'The vendor answered 404.',
    vendor_4xx: 'The vendor answered with another 4xx. `vendorStatus` has the status.',
  },
  vendor_bad_response: {
    unexpected_redirect: 'The vendor answered with a redirect, which the broker does not follow.',
    unexpected_status: 'The vendor answered with a status below 300 that is not 200.',
    unexpected_content_type: 'The answer is not JSON. It may be the page of a proxy.',
    invalid_json: 'The answer claims to be JSON, but is not.',
    invalid_shape: 'The answer has no usable token.',
    body_too_large: 'The answer is too large.',
    protocol_error: 'The answer violates HTTP.',
    tls_failure: 'The TLS handshake failed, for example because this machine does not trust the certificate.',
  },
  vendor_unavailable: {
    dns_failure: 'The host name has no address.',
    connect_refused: 'Nothing accepts connections at that address, or the proxy in HTTPS_PROXY refuses them.',
    connect_timeout: 'No connection was made in time.',
    reset: 'The connection was closed before an answer.',
    reset_body: 'The connection was reset in the middle of the answer.',
    truncated: 'The answer ended too early.',
    stale_socket: 'An idle connection was closed just as it was used.',
    vendor_5xx: 'The vendor answered with a 5xx. `vendorStatus` has the status.',
    vendor_pause: 'The pause that the vendor asked for with Retry-After is not over.',
    circuit_open:
      'The last calls of several users failed. The broker tries the vendor again in a few seconds.',
    aborted: 'The broker is stopping, or the caller disconnected.',
  },
  vendor_timeout: {
    timeout_connect: 'There was no connection within VENDOR_TIMEOUT_MS.',
    timeout_headers: 'The vendor received the request, but did not begin to answer in time.',
    timeout_body: 'The vendor began to answer, but did not finish in time.',
  },
  vendor_rate_limited: {
    vendor_rate_limited: 'The vendor answered 429.',
    vendor_pause: 'The pause that the vendor asked for with Retry-After is not over.',
  },
  session_source_unavailable: {
    dns_failure: 'The host name has no address.',
    connect_refused:
      'Nothing accepts connections at that address. In a container, 127.0.0.1 is the container itself.',
    connect_timeout: 'No connection was made in time.',
    reset: 'The connection was closed before the end of the answer.',
    timeout: 'There was no answer in time.',
    tls_failure: 'The TLS handshake failed, for example because this machine does not trust the certificate.',
    protocol_error: 'The answer violates HTTP, or its content encoding is unknown or broken.',
    body_too_large: 'The answer is too large.',
    aborted: 'The broker is stopping.',
    unknown_fault: 'The request failed for an unknown reason. Please report it.',
    answer_not_json: 'The answer is not JSON. It may be a page of your app.',
    answer_moved: 'The address has moved permanently (301, 308). Set the new address.',
    'answer_status_…': 'The session source answered with this status.',
    answer_is_jwt:
      'The introspection endpoint answers with a signed JWT. Configure the client for plain JSON answers.',
    client_refused: 'The introspection endpoint refuses the broker’s own client id or secret.',
    answer_not_a_key_set: 'SESSION_JWT_JWKS_URL does not answer with a key set.',
    answer_discovery_document: 'SESSION_JWT_JWKS_URL names a discovery document. Set its jwks_uri.',
    answer_certificate_map:
      'SESSION_JWT_JWKS_URL names a list of certificates. Set the address of the key set.',
    key_not_known_yet: 'The token names an unknown key. The broker looks for it again within seconds.',
    'discovery_status_…': 'The request for the issuer’s discovery document was answered with this status.',
    discovery_not_a_document: 'The discovery document is not a JSON object.',
    discovery_issuer_differs:
      'The discovery document names another issuer. Set exactly that one, or correct the document.',
    discovery_address_missing: 'The discovery document lacks the address that is needed.',
    discovery_address_refused: 'The discovery document names an address that the settings do not allow.',
    redis_offline: 'There is no connection to Redis, or it was lost.',
    redis_timeout: 'Redis did not answer in time.',
    redis_tls: 'The TLS handshake with Redis failed.',
    redis_auth: 'Redis refuses the user name or the password.',
    redis_permission: 'The Redis user may not read these keys.',
    redis_moved: 'Redis is a cluster, and another node holds the key.',
    redis_readonly: 'This Redis is a replica.',
    redis_refused: 'Redis answered with another error, for example because it is still loading.',
    stored_session_not_json: 'The session in the store is not JSON.',
    stored_expiry_unreadable: 'The session in the store has an unreadable expiry.',
  },
  overloaded: {
    waiting_line_full: 'As many requests as VENDOR_MAX_QUEUE allows are waiting for the vendor.',
    waited_too_long: 'The request waited for the vendor until its deadline.',
    too_many_questions: 'Too many requests to the session source are in progress.',
    machine_exhausted: 'This machine is out of file descriptors, memory or ports.',
  },
  shutting_down: {
    starting: 'The process is starting.',
    draining: 'The process has received a signal to stop.',
  },
} as const

/** The same for log lines that belong to no request, by their `event`. */
export const eventOutcomes = {
  connection_cut: { too_many_pipelined: 'A client sent too many requests without waiting for the answers.' },
  session_renewal_dropped: {
    not_same_origin: 'The page is not on the app’s own host.',
    public_url_has_another_host: 'PUBLIC_URL does not name the app’s host.',
    cookies_too_large: 'The renewed cookies are too large.',
  },
  secret_file: {
    unreadable: 'The file is missing, or the broker may not read it. The old content stays in use.',
    malformed: 'The file has no usable content. The old content stays in use.',
  },
  vendor_circuit: { recovered: 'The vendor answers again.' },
  vendor_probe: {
    ok: 'The user of WIDGET_PROBE_EMAIL got a token.',
    skipped: 'RAI_USER_IDENTIFIERS needs more than an email.',
  },
}

/** What an outcome means for this code, or undefined if the code does not have it. */
export function meaningOf(code: string, word: string): string | undefined {
  const words: Record<string, string> = Object.hasOwn(outcomes, code) ? outcomes[code as keyof Table] : {}
  const fits = (known: string) => (known.endsWith('…') ? word.startsWith(known.slice(0, -1)) : word === known)
  return Object.entries(words).find(([known]) => fits(known))?.[1]
}

type Table = typeof outcomes

/** The outcomes of one code. */
export type OutcomeOf<Code extends keyof Table> = Code extends unknown ? Fill<keyof Table[Code]> : never

/** The outcomes of any code. */
export type Outcome = OutcomeOf<keyof Table>

type Fill<Word> = Word extends `${infer Stem}…` ? `${Stem}${string}` : Word
