import { hash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import ipaddr from 'ipaddr.js'
import { headerLines } from '../http/header-lines.ts'
import { ambiguous, sessionInvalid } from './credential.ts'
import type { SessionVerifier } from './verifier.ts'

export interface TrustedHeaderSettings {
  /** The header in which the proxy names the user's email. */
  header: string
  /** The addresses or CIDRs of the TCP peers that may set it. */
  peers: readonly string[]
  /** The secret by which the proxy shows that the request came through it; two while it is being replaced. */
  proofs: readonly string[]
}

interface TrustedHeaderOptions extends TrustedHeaderSettings {
  /** The claim under which the identity policy looks for the email. */
  emailClaim: string
}

const proofHeader = 'x-broker-proof'

/**
 * Knows a session by a header that a proxy in front sets. Any client that reaches the broker can send any
 * header, so it counts only from a listed TCP peer (never by `X-Forwarded-For`) that also knows the proof.
 */
export function createTrustedHeaderVerifier(options: TrustedHeaderOptions): SessionVerifier {
  const header = options.header.toLowerCase()
  const isTrustedPeer = createPeerCheck(options.peers)
  const isProof = createProofCheck(options.proofs)

  function readCredential(request: IncomingMessage): string | undefined {
    const email = readSingle(request, header)
    if (email === undefined) return undefined
    if (!isTrustedPeer(request.socket.remoteAddress)) throw sessionInvalid('untrusted_peer')
    if (!isProof(readSingle(request, proofHeader))) throw sessionInvalid('wrong_proof')
    return email
  }

  return {
    mode: 'trusted-header',
    id: JSON.stringify([header]),
    rememberMs: 0,
    remote: false,
    cookies: [],
    readCredential,
    verify: async (email) => ({ claims: { [options.emailClaim]: email } }),
  }
}

/** One line or none: of two, even equal, one may be the client's own (CVE-2025-64484's kind). */
function readSingle(request: IncomingMessage, name: string): string | undefined {
  const lines = headerLines(request, name)
  if (lines.length > 1) throw ambiguous()
  return lines[0] || undefined
}

function createPeerCheck(peers: readonly string[]): (address: string | undefined) => boolean {
  const networks = peers.map(parseNetwork)
  return (address) => {
    if (address === undefined || !ipaddr.isValid(address)) return false
    // A dual-stack listener sees an IPv4 peer as ::ffff:192.0.2.1.
    const peer = ipaddr.process(address)
    return networks.some(([network, bits]) => network.kind() === peer.kind() && peer.match(network, bits))
  }
}

function parseNetwork(peer: string): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  if (peer.includes('/')) return ipaddr.parseCIDR(peer)
  const address = ipaddr.process(peer)
  return [address, address.kind() === 'ipv4' ? 32 : 128]
}

/**
 * Compares digests, which have one length: neither the proof's length nor its beginning shows in the time.
 */
function createProofCheck(proofs: readonly string[]): (candidate: string | undefined) => boolean {
  const expected = proofs.map(digest)
  return (candidate) => {
    if (candidate === undefined) return false
    const found = digest(candidate)
    return expected.some((proof) => timingSafeEqual(found, proof))
  }
}

function digest(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}
