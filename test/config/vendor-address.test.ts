import { describe, expect, it } from 'vitest'
import { ConfigError, loadConfig } from '../../src/config/config.ts'
import { sampleCredentials } from '../../src/sandbox/credentials.ts'
import { validEnvironment } from '../peers/broker.ts'
import { startProcess } from '../peers/process.ts'

const bothDoors = {
  ...validEnvironment,
  WIDGET_BASE_URL: 'http://sandbox:4000',
  WIDGET_API_KEY: sampleCredentials.apiKey,
  RAI_API_URL: 'http://10.1.2.3:4000',
  RAI_ACCESS_ID: sampleCredentials.accessId,
  RAI_ACCESS_KEY: sampleCredentials.accessKey,
  RAI_USER_IDENTIFIERS: 'data-email=email',
}

function faultsOf(changes: Record<string, string>): string[] {
  try {
    loadConfig({ ...bothDoors, ...changes })
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.faults.map(({ name, message }) => `${name} ${message}`)
  }
}

describe('Plain http to the vendor on a private network', () => {
  it('is accepted with the keys of the sandbox, with a warning for each address', () => {
    const { warnings } = loadConfig(bothDoors)
    expect(warnings).toEqual([
      expect.objectContaining({ event: 'plain_http_vendor', name: 'WIDGET_BASE_URL' }),
      expect.objectContaining({ event: 'plain_http_vendor', name: 'RAI_API_URL' }),
    ])
  })

  it.each<Record<string, string>>([
    { WIDGET_API_KEY: 'a-real-key-1' },
    { WIDGET_API_KEYS: 'store-widget:a-real-key-1' },
    { RAI_ACCESS_KEY: 'a-real-key-1' },
  ])('is refused as soon as one key is not the sandbox’s: %j', (change) => {
    expect(faultsOf(change)).toEqual([
      expect.stringMatching(/^WIDGET_BASE_URL must be https/),
      expect.stringMatching(/^RAI_API_URL must be https/),
    ])
  })

  it.each(['http://vendor.example.com', 'http://8.8.8.8', 'http://[2001:db8::1]'])(
    'does not extend to public addresses such as %s',
    (address) => {
      expect(faultsOf({ WIDGET_BASE_URL: address })).toEqual([
        expect.stringMatching(/^WIDGET_BASE_URL must be an https origin/),
      ])
    },
  )

  it('is in the log of the broker', async () => {
    const { findLine } = await startProcess({ ...bothDoors, RAI_API_URL: 'http://127.0.0.1:9' })
    const line = await findLine('plain_http_vendor')
    expect(line).toMatchObject({ level: 'warn', msg: expect.stringContaining('WIDGET_BASE_URL') })
  })
})

describe('Plain http to the vendor on loopback', () => {
  it('needs no key of the sandbox, and no warning', () => {
    const { warnings } = loadConfig({ ...validEnvironment, WIDGET_BASE_URL: 'http://127.0.0.1:4000' })
    expect(warnings).toEqual([])
  })
})
