import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSandbox } from './app.ts'
import { sampleCredentials } from './credentials.ts'

const {
  HOST: host = '127.0.0.1',
  SANDBOX_PORT: port = '4000',
  SANDBOX_COMMUNITY_ID: communityId = sampleCredentials.communityId,
  SANDBOX_API_KEY: apiKey = sampleCredentials.apiKey,
  SANDBOX_ACCESS_ID: accessId = sampleCredentials.accessId,
  SANDBOX_ACCESS_KEY: accessKey = sampleCredentials.accessKey,
  SANDBOX_TOKEN_SECONDS: tokenSeconds = '300',
} = process.env

const sandbox = createSandbox({
  communityId,
  apiKeys: [apiKey],
  accessId,
  accessKey,
  tokenSeconds: Number(tokenSeconds),
})
const server = createServer(sandbox.app)

server.once('error', (error: NodeJS.ErrnoException) => {
  const reason =
    error.code === 'EADDRINUSE' ? `Port ${port} is in use; set SANDBOX_PORT to another.` : error.code
  console.error(`The sandbox cannot start. ${reason}`)
  process.exitCode = 1
})
server.listen(Number(port), host, () => {
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  console.log(`The sandbox listens on ${address}. For the broker's .env:\n\n${brokerSettings(address)}`)
})

function brokerSettings(address: string) {
  return [
    `WIDGET_BASE_URL=${address}`,
    `WIDGET_COMMUNITY_ID=${communityId}`,
    `WIDGET_API_KEY=${own('SANDBOX_API_KEY', apiKey)}`,
    `RAI_API_URL=${address}`,
    `RAI_ACCESS_ID=${accessId}`,
    `RAI_ACCESS_KEY=${own('SANDBOX_ACCESS_KEY', accessKey)}`,
  ].join('\n')
}

/** A key that somebody chose is not printed: it could be a real one, put here by mistake. */
function own(name: string, value: string) {
  return process.env[name] === undefined ? value : `(the value of ${name})`
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    server.close()
    server.closeAllConnections()
  })
}
