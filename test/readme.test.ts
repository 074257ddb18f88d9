import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { blocksOf, documentNames, readDocument, root } from './peers/documents.ts'
import { freePorts, shellEnvironment, startCommand, type RunningCommand } from './peers/shell.ts'

const run = promisify(execFile)
const readme = await readDocument('README.md')
const documents = await Promise.all(documentNames.map(readDocument))
const shown = documents.flatMap((text) => blocksOf(text, 'sh')).flatMap((block) => block.trim().split('\n'))

const demo = 'npm ci && npm run demo'
const checkConfig = 'node dist/server.js --check-config'
const fault =
  'curl http://127.0.0.1:4000/sandbox/faults -H \'Content-Type: application/json\' -d \'{"fault":"timeout","count":3}\''
const runHere = [demo, 'npm run build', 'npm start', checkConfig, fault]

const needsDocker =
  'There is no Docker where the tests run: test/image/ builds and runs the image without it.'
const needsRelease = 'It needs a published release: test/deploy/release.test.ts checks the workflow.'
const release = 'ghcr.io/example/token-broker:2.0.0'
const runElsewhere: Record<string, string> = {
  [`cosign verify ${release} --certificate-oidc-issuer https://token.actions.githubusercontent.com --certificate-identity https://github.com/example/token-broker/.github/workflows/release.yml@refs/tags/v2.0.0`]:
    needsRelease,
  [`gh attestation verify oci://${release} --repo example/token-broker`]: needsRelease,
  'npm ci && npm test': 'This suite is what it runs. CI begins with it.',
  'npm run doctor -- --url https://app.example.com/widgets/ --email you@example.com':
    'It needs a deployment: test/doctor/ gives it one.',
  'npm install @opentelemetry/sdk-node @opentelemetry/instrumentation-http @opentelemetry/instrumentation-undici':
    'The packages are in test/peers.',
  'OTEL_SERVICE_NAME=token-broker OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 node --import ./tracing.mjs dist/server.js':
    'It needs a collector: test/telemetry/opentelemetry.test.ts has one.',
  'npm run bench': 'It takes minutes, and needs the machine for itself.',
  'docker build -t token-broker .': needsDocker,
  'docker run --env-file .env -p 3000:3000 token-broker': needsDocker,
  'docker build --target sandbox -t token-broker-sandbox .': needsDocker,
  'docker run -p 127.0.0.1:3000:3000 -p 127.0.0.1:4000:4000 token-broker-sandbox': needsDocker,
  'docker run -p 127.0.0.1:4000:4000 token-broker-sandbox node dist/sandbox/main.js': needsDocker,
}

describe('The commands of the documentation', () => {
  it('all run here, or are listed with the reason why not', () => {
    expect(new Set(shown)).toEqual(new Set([...runHere, ...Object.keys(runElsewhere)]))
  })

  it('begin with the demo, on one line', () => {
    expect(blocksOf(readme, 'sh')[0]).toBe(`${demo}\n`)
  })
})

describe('A newcomer with nothing but the documentation', () => {
  let clone: string
  let address: string
  let running: RunningCommand
  let sandboxPort: string

  beforeAll(async () => {
    clone = await mkdtemp(join(tmpdir(), 'token-broker-'))
    const { stdout } = await run('git', ['ls-files'], { cwd: root })
    for (const name of stdout.trim().split('\n'))
      await cp(join(root, name), join(clone, name), { recursive: true }).catch(ignoreMissing)
    const [port, otherPort] = await freePorts()
    sandboxPort = String(otherPort)
    running = startCommand(demo, clone, { PORT: String(port), SANDBOX_PORT: sandboxPort })
    address = await running.firstLine(/http:\/\/localhost:\d+/)
  }, 180_000)

  afterAll(async () => {
    await running.stop()
    await rm(clone, { recursive: true, force: true })
  })

  it('sees the demo', async () => {
    const page = await fetch(address)
    expect(page.status).toBe(200)
    expect(await page.text()).toContain('page.js')
  })

  it('breaks an answer of the sandbox', async () => {
    const command = fault.replace('4000', sandboxPort)
    const { stdout } = await run('bash', ['-c', command], { env: shellEnvironment() })
    expect(JSON.parse(stdout)).toMatchObject({ fault: 'timeout' })
  })

  it('builds, checks and starts the broker with the settings of the README', async () => {
    // The example of a key is accepted only with the sandbox.
    const own = 'PORT=0\nHOST=127.0.0.1\nWIDGET_BASE_URL=http://127.0.0.1:4000\n'
    await writeFile(join(clone, '.env'), blocksOf(readme, 'env')[0] + own)
    await run('bash', ['-c', 'npm run build'], { cwd: clone, env: shellEnvironment() })
    const checked = await run('bash', ['-c', checkConfig], { cwd: clone, env: shellEnvironment() })
    expect(checked.stdout).toMatch(/usable/)
    const broker = startCommand('npm start', clone, { SHUTDOWN_DELAY_MS: '0' })
    const port = await broker.firstLine(/"port":(\d+)/)
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200)
    await broker.stop()
  }, 60_000)
})

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
