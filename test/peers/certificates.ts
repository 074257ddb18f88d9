import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { whyMissing } from './binary.ts'

interface Certificate {
  key: string
  cert: string
}

/** A test's own authority (`ca`), what it signed, and one self-signed certificate. Made for each run, never kept. */
export interface Certificates {
  ca: string
  valid: Certificate
  otherHost: Certificate
  expired: Certificate
  selfSigned: Certificate
}

export const opensslMissing = whyMissing('openssl', 'version')

/** Made by openssl: only where it is installed. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'certificates-'))
  const path = (name: string) => join(folder, name)
  const read = (name: string) => readFileSync(path(name), 'utf8')
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })

  function make(name: string, host: string, ...signer: string[]): Certificate {
    const isCa = name === 'authority' ? 'TRUE' : 'FALSE'
    const key = [
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-keyout',
      `${name}.key`,
    ]
    const subject = [
      '-subj',
      `/CN=${name}`,
      '-addext',
      `subjectAltName=DNS:${host}`,
      '-addext',
      `basicConstraints=CA:${isCa}`,
    ]
    openssl('req', '-new', ...key, ...subject, '-out', `${name}.csr`)
    const who = signer.length === 0 ? ['-signkey', `${name}.key`, '-days', '1'] : signer
    openssl('x509', '-req', '-in', `${name}.csr`, '-copy_extensions', 'copy', ...who, '-out', `${name}.pem`)
    return { key: read(`${name}.key`), cert: read(`${name}.pem`) }
  }

  try {
    const { cert: ca } = make('authority', 'authority.test')
    const signed = ['-CA', 'authority.pem', '-CAkey', 'authority.key', '-days']
    return {
      ca,
      valid: make('valid', 'localhost', ...signed, '1'),
      otherHost: make('other', 'other.test', ...signed, '1'),
      expired: make('expired', 'localhost', ...signed, '-1'),
      selfSigned: make('lonely', 'localhost'),
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
