import type { AddressInfo } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { once } from 'node:events'
import { createClient } from 'redis'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createRedis, type Redis } from '../../src/outbound/redis.ts'
import { RedisFault } from '../../src/outbound/redis-fault.ts'
import { makeCertificates, opensslMissing } from '../peers/certificates.ts'
import { createRedisServer, redisMissing, type RedisServer } from '../peers/redis.ts'
import { startSwitch } from '../peers/switch.ts'

const outcomeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'answered',
    (error: unknown) => (error instanceof RedisFault ? error.outcome : String(error)),
  )
const portOf = (server: RedisServer) => Number(new URL(server.url).port)

describe.skipIf(redisMissing)(`the faults of a Redis ${redisMissing ?? ''}`, () => {
  let server: RedisServer
  let redis: Redis | undefined

  beforeEach(async () => {
    server = await createRedisServer()
    await server.start()
  })

  afterEach(async () => {
    redis?.close()
    await server.close()
  })

  test('A user without the right to read and a wrong login have different outcomes', async () => {
    const admin = await createClient({ url: server.url }).connect()
    await admin.sendCommand(['ACL', 'SETUSER', 'limited', 'on', '>pw', '~*', '+ping'])
    admin.destroy()
    redis = createRedis({ url: server.url.replace('//', '//limited:pw@'), timeoutMs: 2_000 })
    expect(await outcomeOf(redis.run((live) => live.get('key')))).toBe('redis_permission')
    redis.close()
    redis = createRedis({ url: server.url.replace('//', '//limited:guess@'), timeoutMs: 2_000 })
    expect(await outcomeOf(redis.run((live) => live.get('key')))).toBe('redis_auth')
  })

  test.skipIf(opensslMissing)(
    'An untrusted certificate and a server that is down have different outcomes',
    async () => {
      const secure = createTlsServer(makeCertificates().selfSigned, (socket) => void socket.end())
      secure.on('tlsClientError', () => undefined)
      secure.listen(0, '127.0.0.1')
      await once(secure, 'listening')
      const { port } = secure.address() as AddressInfo
      redis = createRedis({ url: `rediss://127.0.0.1:${port}`, timeoutMs: 5_000 })
      expect(await outcomeOf(redis.run((live) => live.get('key')))).toBe('redis_tls')
      secure.close()
    },
  )

  test('After a failover, the next write reaches the new primary over a new connection', async () => {
    const successor = await createRedisServer()
    await successor.start()
    const address = await startSwitch(portOf(server))
    redis = createRedis({ url: address.url, timeoutMs: 2_000 })
    await redis.run((live) => live.set('key', '1'))
    const admin = await createClient({ url: server.url }).connect()
    await admin.sendCommand(['REPLICAOF', '127.0.0.1', String(portOf(successor))])
    expect(await outcomeOf(redis.run((live) => live.set('key', '2')))).toMatch(/redis_readonly|redis_refused/)
    await new Promise((resolve) => setTimeout(resolve, 600))
    address.target.port = portOf(successor)
    expect(await outcomeOf(redis.run((live) => live.set('key', '3')))).toBe('answered')
    admin.destroy()
    const check = await createClient({ url: successor.url }).connect()
    expect(await check.get('key')).toBe('3')
    check.destroy()
    redis.close()
    await successor.close()
  })
})
