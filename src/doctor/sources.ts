import { randomBytes } from 'node:crypto'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { sign } from 'cookie-signature'
import type { Config } from '../config/config.ts'
import type { HttpClient } from '../outbound/client.ts'
import { meaningOf } from '../outcomes.ts'
import { Problem } from '../problems.ts'
import { createVerifier, type ModeSettings } from '../session/modes.ts'
import { silentLogger } from '../telemetry/logger.ts'
import { fail, failOtherSide, pass, type Finding, type Patient } from './check.ts'

/** What a source answered to an unknown caller. */
interface Reply {
  mode: string
  /** `refused` is what every source should do. */
  verdict: 'refused' | 'accepted' | 'unavailable' | 'nothing to ask'
  outcome: string
}

/** Sends each configured session source a credential that nobody has, which a working source refuses. */
export async function checkSessionSource(config: Config, { client }: Patient): Promise<Finding> {
  const replies: Reply[] = []
  for (const settings of config.sessions.modes) replies.push(await askMode(settings, config, client))
  const seen = replies.map(({ mode, verdict, outcome }) => `${mode}: ${verdict}${outcome && ` (${outcome})`}`)
  const worst =
    replies.find(({ verdict }) => verdict === 'accepted') ??
    replies.find((reply) => reply.verdict === 'unavailable' && !isOtherSide(reply)) ??
    replies.find(({ verdict }) => verdict === 'unavailable')
  if (worst === undefined) return pass(seen.join('; '))
  return (isOtherSide(worst) ? failOtherSide : fail)(seen.join('; '), adviceFor(worst))
}

/** Faults that no setting of the broker can fix: the source does not answer, or is broken. */
const faultsOfSource =
  /^(connect_|dns_|reset|timeout|tls_|protocol_|body_too_large|answer_status_5|discovery_status_5|redis_(offline|timeout|tls))/

function isOtherSide({ verdict, outcome }: Reply): boolean {
  return verdict === 'unavailable' && faultsOfSource.test(outcome)
}

function adviceFor({ mode, verdict, outcome }: Reply): string {
  if (verdict === 'accepted')
    return `The source of ${mode} accepts an invented session. It must refuse all but its own.`
  const settings: Record<string, string> = {
    'forward-auth': 'SESSION_FORWARD_URL',
    jwt: 'SESSION_JWT_JWKS_URL, SESSION_JWT_ISSUER and SESSION_JWT_ALGORITHMS',
    introspection: 'SESSION_INTROSPECTION_URL and the client of the broker there',
    'express-session': 'SESSION_STORE_URL',
  }
  const meaning = meaningOf('session_source_unavailable', outcome) ?? ''
  return `${meaning} Check ${settings[mode]}, and that this machine reaches it.`.trim()
}

async function askMode(settings: ModeSettings, config: Config, client: HttpClient): Promise<Reply> {
  const { mode } = settings
  if (mode === 'trusted-header' || (mode === 'jwt' && !asksForKeys(settings)))
    return { mode, verdict: 'nothing to ask', outcome: '' }
  for (const variant of variantsOf(settings)) {
    const reply = await askOnce(variant, config, client)
    // Keys of another algorithm say nothing yet.
    if (reply.outcome !== 'unknown_key') return reply
  }
  return { mode, verdict: 'unavailable', outcome: 'key_unknown' }
}

type JwtMode = Extract<ModeSettings, { mode: 'jwt' }>

function asksForKeys({ key }: JwtMode): boolean {
  return !('secrets' in key || 'publicKeys' in key)
}

/** A set of keys need not have one for each algorithm that is allowed. */
function variantsOf(settings: ModeSettings): ModeSettings[] {
  if (settings.mode !== 'jwt') return [settings]
  return settings.algorithms.map((algorithm) => ({ ...settings, algorithms: [algorithm] }))
}

async function askOnce(settings: ModeSettings, config: Config, client: HttpClient): Promise<Reply> {
  const { mode } = settings
  const verifier = createVerifier(settings, {
    client,
    publicUrls: config.publicUrls,
    logger: silentLogger,
    ...config.sessions,
  })
  try {
    const credential = verifier.readCredential(createRequest(settings))
    if (credential === undefined) throw new Error(`the doctor made no credential for ${mode}`)
    await verifier.verify(credential, new AbortController().signal)
    return { mode, verdict: 'accepted', outcome: '' }
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    const verdict = error.status === 401 ? 'refused' : 'unavailable'
    return { mode, verdict, outcome: error.diagnosis.outcome ?? error.code }
  } finally {
    verifier.close?.()
  }
}

/** A request with a credential of the right form that nobody ever had. */
function createRequest(settings: ModeSettings): IncomingMessage {
  const nobody = randomBytes(24).toString('base64url')
  switch (settings.mode) {
    case 'jwt':
      return requestWith(settings.source[0]!, createJwt(settings))
    case 'introspection':
      return requestWith(settings.source[0]!, nobody)
    case 'express-session': {
      const value = encodeURIComponent(`s:${sign(nobody, settings.secrets[0]!)}`)
      return requestWith(`cookie:${settings.cookie}`, value)
    }
    case 'forward-auth':
      return requestWith(`cookie:${settings.cookies?.[0] ?? 'doctor'}`, nobody)
    case 'trusted-header':
      return requestWith(`header:${settings.header}`, nobody)
  }
}

function requestWith(place: string, value: string): IncomingMessage {
  const [kind, name = ''] = place.split(/:(.*)/s)
  const header = kind === 'header' ? name.toLowerCase() : kind === 'cookie' ? 'cookie' : 'authorization'
  const text = kind === 'header' ? value : kind === 'cookie' ? `${name}=${value}` : `Bearer ${value}`
  return Object.assign(new IncomingMessage(new Socket()), {
    headers: { [header]: text },
    rawHeaders: [header, text],
  })
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A token that says what it should, without a key's name and with a signature by nobody. */
function createJwt({ issuer, audiences, authorizedParties, algorithms }: JwtMode): string {
  const exp = Math.floor(Date.now() / 1000) + 300
  const claims = { iss: issuer, aud: audiences, azp: authorizedParties?.[0], exp }
  return `${encode({ alg: algorithms[0] })}.${encode(claims)}.${randomBytes(64).toString('base64url')}`
}
