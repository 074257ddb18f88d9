import { execFile } from 'node:child_process'
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { whyMissing } from '../peers/binary.ts'
import { signSession, useBroker } from '../peers/broker.ts'

const missing = whyMissing('wapiti', '--version')

/** All of wapiti's attacks that need no other server on the internet. */
const modules =
  'backup,blindsql,cookieflags,crlf,csp,csrf,exec,file,htaccess,http_headers,methods,permanentxss,redirect,' +
  'shellshock,sql,xss'

interface Report {
  vulnerabilities: Record<string, { info: string }[]>
  anomalies: Record<string, { info: string }[]>
}

/** Lets wapiti attack a broker as a signed-in user of an allowed page. */
async function attack(url: string): Promise<Report> {
  const folder = await mkdtemp(join(tmpdir(), 'wapiti-'))
  const report = join(folder, 'report.json')
  const paths = ['config.json', 'openapi.json', 'healthz', 'widget-token?widget=store-widget']
  const headers = ['Origin: https://app.example.com', `Authorization: Bearer ${await signSession()}`]
  const args = [
    ['--url', `${url}/`],
    ...paths.map((path) => ['--start', `${url}/${path}`]),
    ...headers.map((header) => ['--header', header]),
    ['--module', modules, '--max-scan-time', '1', '--no-bugreport', '--store-session', folder],
    ['--format', 'json', '--output', report],
  ]
  await promisify(execFile)('wapiti', args.flat(), { env: { ...process.env, HOME: folder } })
  return JSON.parse(await readFile(report, 'utf8')) as Report
}

describe.skipIf(missing)('wapiti', () => {
  it('finds only what docs/security.md explains', async () => {
    const { broker } = await useBroker({ RATE_LIMIT_PER_MINUTE: '100000' })
    const { vulnerabilities, anomalies } = await attack(broker.url)
    expect(broker.logLines().length).toBeGreaterThan(100)
    const found = [...Object.values(vulnerabilities), ...Object.values(anomalies)].flat()
    expect(found.map(({ info }) => info).sort()).toEqual([
      'Strict-Transport-Security is not set',
      'X-XSS-Protection is not set',
    ])
  })
})
