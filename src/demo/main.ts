import { PortError, startDemo } from './start.ts'

// The whole product on one machine, for a first look: broker, vendor sandbox, and an app with a sign-in form.

const { HOST: host = '127.0.0.1', PORT: port = '3000', SANDBOX_PORT: sandboxPort = '4000' } = process.env

try {
  const demo = await startDemo({
    host,
    port: Number(port),
    sandboxPort: Number(sandboxPort),
    allowedOrigins: process.env.ALLOWED_ORIGINS,
    logLevel: process.env.LOG_LEVEL ?? 'silent',
  })
  console.log(`The demo is ready: ${demo.address}`)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void demo.close())
} catch (error) {
  if (!(error instanceof PortError)) throw error
  console.error(error.message)
  process.exit(1)
}
