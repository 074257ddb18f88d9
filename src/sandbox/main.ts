import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'
import { createSandbox } from './sandbox.ts'
import { sampleCredentials } from './credentials.ts'

const environment = z.object({
  HOST: z.string().default('127.0.0.1'),
  SANDBOX_PORT: z.coerce.number().int().min(0).max(65_535).default(4000),
  SANDBOX_COMMUNITY_ID: z.string().default(sampleCredentials.communityId),
  SANDBOX_API_KEY: z.string().default(sampleCredentials.apiKey),
  SANDBOX_ACCESS_ID: z.string().default(sampleCredentials.accessId),
  SANDBOX_ACCESS_KEY: z.string().default(sampleCredentials.accessKey),
  SANDBOX_ALLOWED_ORIGINS: z.string().optional(),
  SANDBOX_TOKEN_SECONDS: z.coerce.number().int().min(1).max(86_400).default(300),
})

const parsed = environment.safeParse(process.env)
if (!parsed.success) giveUp(z.prettifyError(parsed.error))
const settings = parsed.data

const sandbox = createSandbox({
  communityId: settings.SANDBOX_COMMUNITY_ID,
  apiKeys: [settings.SANDBOX_API_KEY],
  accessId: settings.SANDBOX_ACCESS_ID,
  accessKey: settings.SANDBOX_ACCESS_KEY,
  allowedOrigins: settings.SANDBOX_ALLOWED_ORIGINS?.split(',').map((origin) => origin.trim()),
  tokenSeconds: settings.SANDBOX_TOKEN_SECONDS,
})
const server = createServer(sandbox.app)

server.once('error', ({ code }: NodeJS.ErrnoException) => {
  const reason = code === 'EADDRINUSE' ? 'is in use' : 'is not available'
  giveUp(`Port ${settings.SANDBOX_PORT} ${reason}: set SANDBOX_PORT to another port.`)
})
server.listen(settings.SANDBOX_PORT, settings.HOST, () => {
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  console.log(`The sandbox listens on ${address}. For the broker's .env:\n\n${brokerSettings(address)}`)
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    server.close()
    server.closeAllConnections()
  })
}

function giveUp(reason: string): never {
  console.error(reason)
  process.exit(1)
}

function brokerSettings(address: string) {
  return [
    `WIDGET_BASE_URL=${address}`,
    `WIDGET_COMMUNITY_ID=${settings.SANDBOX_COMMUNITY_ID}`,
    `WIDGET_API_KEY=${shown('SANDBOX_API_KEY')}`,
    `RAI_API_URL=${address}`,
    `RAI_ACCESS_ID=${settings.SANDBOX_ACCESS_ID}`,
    `RAI_ACCESS_KEY=${shown('SANDBOX_ACCESS_KEY')}`,
    'RAI_USER_IDENTIFIERS=data-email=email',
    // Any id will do.
    'WIDGETS=channel-widget:64f000000000000000000001',
  ].join('\n')
}

/** A key from the environment is not printed, because it could be a real one by mistake. */
function shown(name: 'SANDBOX_API_KEY' | 'SANDBOX_ACCESS_KEY') {
  return process.env[name] === undefined ? settings[name] : `(the value of ${name})`
}
