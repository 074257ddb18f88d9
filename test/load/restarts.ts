import { mkdtempSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { nginxMissing, startNginx } from '../peers/nginx.ts'
import { createRedisServer, redisMissing } from '../peers/redis.ts'
import { createClient, createUsers, quantileMs, runPaced, tally } from './client.ts'
import { countAdmitted, perMinute } from './replicas.ts'
import { startReplica, type Replica } from './replica.ts'
import type { Outcome, Row } from './row.ts'
import { startVendor, type Vendor } from './vendor.ts'

const perSecond = 200
/** How long nginx skips a broker that refused a connection. The restarts wait as long before the next one. */
const failTimeoutMs = 1_000

export const restarts: Row = {
  name: '200 requests a second through nginx, two brokers, each restarted in turn by SIGTERM',
  goal: '0 failed',
  missing: nginxMissing,
  async run() {
    const { replicas, load } = await startSite(await startVendor())
    return load(restartInTurn(replicas))
  },
}

export const keyRotation: Row = {
  name: 'the same while the key is rotated',
  goal: '0 failed, the old key refused',
  missing: nginxMissing,
  async run() {
    const vendor = await startVendor()
    const file = join(mkdtempSync(join(tmpdir(), 'key-')), 'widget-api-key')
    replaceFile(file, vendor.key)
    const { replicas, load } = await startSite(vendor, { WIDGET_API_KEY: '', WIDGET_API_KEY_FILE: file })
    return load(Promise.all([restartInTurn(replicas), rotateKey(vendor, file)]))
  },
}

export const redisCrash: Row = {
  name: 'the same while Redis is killed and comes back',
  goal: '0 failed, limits shared again after',
  missing: nginxMissing ?? redisMissing,
  async run() {
    const redis = await createRedisServer()
    onTestFinished(() => redis.close())
    await redis.start()
    const { replicas, load } = await startSite(await startVendor(), { REDIS_URL: redis.url })
    const crash = async () => {
      await sleep(2_000)
      await redis.kill()
      await restartInTurn(replicas)
      await redis.start()
      await sleep(2_000)
    }
    const { seen, reached } = await load(crash())
    const admitted = await countAdmitted(replicas)
    return {
      seen: `${seen}; then ${admitted} of ${perMinute} allowed for one user at both`,
      reached: reached && admitted === perMinute,
    }
  },
}

/** Two brokers behind nginx, and the load on them. */
async function startSite(vendor: Vendor, environment: Record<string, string> = {}) {
  const all = { WIDGET_BASE_URL: vendor.url, TRUST_PROXY: '127.0.0.1', ...environment }
  const replicas = await Promise.all([startReplica(all), startReplica(all)])
  const nginx = await startNginx(location, upstream(replicas))
  onTestFinished(() => nginx.close())
  const client = createClient(nginx.origin)
  const regulars = await createUsers(200)

  /** Half of the requests come from sessions seen before, half from new ones, which the vendor must sign in. */
  async function load(disturbance: Promise<unknown>): Promise<Outcome> {
    const newcomers = await createUsers(perSecond * 30)
    const pick = (index: number) => (index % 2 === 0 ? regulars[index % regulars.length]! : newcomers[index]!)
    const answers = await runPaced(perSecond, disturbance, (index) => client.ask(pick(index)))
    const failed = answers.filter(({ outcome }) => outcome !== 'token')
    const all = answers.length.toLocaleString('en')
    const p99 = quantileMs(answers, 0.99).toFixed(0)
    const which = failed.length === 0 ? '' : ` (${tally(failed)})`
    return { seen: `${failed.length} of ${all} failed${which}, p99 ${p99} ms`, reached: failed.length === 0 }
  }

  return { replicas, load }
}

// As in production: kept-alive connections, and nginx's default for retries on another replica. For a POST, that is
// only what never reached a broker, such as a refused connection. A draining broker must answer what it accepted.
const location = `
  location / {
    proxy_pass http://brokers;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
  }
`

function upstream(replicas: readonly Replica[]): string {
  const servers = replicas.map(
    ({ port }) => `server 127.0.0.1:${port} fail_timeout=${failTimeoutMs / 1000}s;`,
  )
  return `upstream brokers { ${servers.join(' ')} keepalive 32; }`
}

async function restartInTurn(replicas: readonly Replica[]): Promise<void> {
  for (const replica of replicas) {
    await sleep(failTimeoutMs * 1.5)
    const code = await replica.restart()
    if (code !== 0) throw new Error(`a broker ended by exit code ${code}`)
  }
  await sleep(failTimeoutMs)
}

/** As the docs say: the new key first and the old one second. Then the vendor no longer accepts the old one. */
async function rotateKey(vendor: Vendor, file: string): Promise<void> {
  const next = 'widget-api-key-2'
  replaceFile(file, `${next}\n${vendor.key}`)
  await sleep(4_000)
  vendor.key = next
  await sleep(3_000)
  replaceFile(file, next)
}

/** By rename, as an orchestrator does. */
function replaceFile(path: string, content: string): void {
  writeFileSync(`${path}.new`, `${content}\n`)
  renameSync(`${path}.new`, path)
}
