import { parseArgs } from 'node:util'
import { ConfigError } from '../config/config.ts'
import { loadWithEnvFile } from '../config/env-file.ts'
import { createHttpClient } from '../outbound/client.ts'
import { createBrokerUnderTest } from './broker-under-test.ts'
import type { Patient } from './check.ts'
import { examine, exitCodeOf, type Result } from './doctor.ts'
import { createRedactor, formatJson, formatResult, formatSummary } from './report.ts'

// Checks a real deployment and changes nothing: `node dist/doctor/main.js --url https://… --email …`.

const usage = `Usage: node dist/doctor/main.js [--url https://widgets.example.com] [--email user@example.com] [--json]

  --url    the public address of the running broker
  --email  a test user that the vendor knows; by default that of WIDGET_PROBE_EMAIL
  --json   print one JSON document instead of lines

Settings come from the environment and .env, as for the broker.
Exit code 0: nothing fails. 1: you must act. 2: the vendor or a session source is at fault.
`

const { json, url, email } = readArguments()
const patient = admit()
const redact = createRedactor([
  ...(patient.config?.secrets ?? []),
  ...(patient.email === undefined ? [] : [patient.email]),
])
const inColour = process.stdout.isTTY && !process.env.NO_COLOR
const results: Result[] = []
for await (const { seen, ...found } of examine(patient)) {
  const result = { ...found, seen: redact(seen) }
  results.push(result)
  if (!json) process.stdout.write(formatResult(result, inColour))
}
process.stdout.write(json ? formatJson(results) : formatSummary(results))
await patient.client.close()
process.exitCode = exitCodeOf(results)

function admit(): Patient {
  const loaded = load()
  const testUser = email ?? loaded.config?.probeEmail
  const shared = { env: process.env, cwd: process.cwd(), email: testUser }
  const proxy = loaded.config?.proxy
  const client = createHttpClient({
    maxConnections: 4,
    connectTimeoutMs: 5_000,
    httpsProxy: proxy?.https,
    noProxy: proxy?.no,
  })
  return { ...shared, ...loaded, client, broker: url && createBrokerUnderTest(client, url) }
}

function load(): Pick<Patient, 'config' | 'faults'> {
  try {
    return { config: loadWithEnvFile(process.env), faults: [] }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { faults: error.faults }
  }
}

function readArguments() {
  try {
    const options = { url: { type: 'string' }, email: { type: 'string' }, json: { type: 'boolean' } } as const
    const { values } = parseArgs({ options: { ...options, help: { type: 'boolean', short: 'h' } } })
    if (values.help) leave(0, usage)
    return { ...values, url: values.url === undefined ? undefined : parseAddress(values.url) }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS') !== true) throw error
    return leave(1, usage)
  }
}

function parseAddress(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined
  const usable =
    url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.password === ''
  if (!usable) return leave(1, '--url must be an http or https address without user name and password.\n')
  return url
}

function leave(code: 0 | 1, text: string): never {
  ;(code === 0 ? process.stdout : process.stderr).write(text)
  process.exit(code)
}
