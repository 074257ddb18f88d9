import { createServer, type Socket } from 'node:net'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { createRedis, type Redis } from '../../src/outbound/redis.ts'
import { RedisFault } from '../../src/outbound/redis-fault.ts'
import { atEnd } from '../peers/clean-up.ts'
import { listen, portOf } from '../peers/listen.ts'
import { createRedisServer, redisMissing, type RedisServer } from '../peers/redis.ts'

/** Longer than a test may take, so that one that waited for it would fail. */
const forever = 300_000
const password = 'a-password-for-redis'

function read(client: Redis): Promise<unknown> {
  return client.run((live) => live.get('key'))
}

/** The outcome of one read. */
function readOutcome(client: Redis): Promise<string> {
  return read(client).then(
    () => 'answered',
    (error: unknown) => (error instanceof RedisFault ? error.outcome : String(error)),
  )
}

async function untilAnswered(client: Redis): Promise<void> {
  await vi.waitFor(() => read(client))
}

function countSockets(): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === 'TCPSocketWrap').length
}

describe.skipIf(redisMissing)(`A Redis that may be down ${redisMissing ?? ''}`, () => {
  let server: RedisServer

  beforeEach(async () => {
    server = await createRedisServer()
  })

  function open(changes: { url?: string; timeoutMs?: number } = {}): Redis {
    const redis = createRedis({ url: server.url, timeoutMs: forever, ...changes })
    atEnd(() => redis.close())
    return redis
  }

  test('The first command waits for the first connection', async () => {
    await server.start()
    expect(await open().run((live) => live.set('key', 'value'))).toBe('OK')
  })

  test('A Redis that is down at the start fails each use at once, and is found when it starts', async () => {
    const client = open()
    expect(await readOutcome(client)).toBe('redis_offline')
    expect(await readOutcome(client)).toBe('redis_offline')
    await server.start()
    await untilAnswered(client)
  })

  test('A Redis that is killed fails each use within moments, and is found when it is back', async () => {
    await server.start()
    const client = open()
    await read(client)
    await server.kill()
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => readOutcome(client)))
    expect(new Set(outcomes)).toEqual(new Set(['redis_offline']))
    await server.start()
    await untilAnswered(client)
  })

  test('A restart between two uses costs no failed use', async () => {
    await server.start()
    const client = open()
    await read(client)
    await server.kill()
    await server.start()
    expect(await readOutcome(client)).toBe('answered')
  })

  test('A Redis that hangs fails one use at the deadline and the next at once, and is found when it continues', async () => {
    await server.start()
    const client = open({ timeoutMs: 300 })
    await untilAnswered(client)
    server.freeze()
    expect(await readOutcome(client)).toBe('redis_timeout')
    expect(await readOutcome(client)).toBe('redis_timeout')
    server.thaw()
    await untilAnswered(client)
  })

  test('A login that is never answered also fails at the deadline', async () => {
    const silent = createServer((socket: Socket) => socket.resume())
    await listen(silent)
    const client = open({ url: `redis://:${password}@127.0.0.1:${portOf(silent)}`, timeoutMs: 300 })
    expect(await readOutcome(client)).toBe('redis_timeout')
  })

  test('A wrong password is a refusal, without the password in the error', async () => {
    const guarded = await createRedisServer(['--requirepass', password])
    await guarded.start()
    const wrong = open({ url: guarded.url.replace('//', '//:a-wrong-guess@') })
    const fault = await read(wrong).catch((error: unknown) => error)
    expect(fault).toMatchObject({ outcome: 'redis_auth', message: 'redis_auth' })
    const right = open({ url: guarded.url.replace('//', `//:${password}@`) })
    await read(right)
  })

  test('An error of one command refuses only that command', async () => {
    await server.start()
    const client = open()
    await client.run((live) => live.hSet('key', 'a', 'b'))
    const outcomes = await Promise.all([readOutcome(client), client.run((live) => live.set('other', '1'))])
    expect(outcomes).toEqual(['redis_refused', 'OK'])
    expect(await client.run((live) => live.get('other'))).toBe('1')
  })

  test('A database in the address is selected again after a restart', async () => {
    await server.start()
    const client = open({ url: `${server.url}/3` })
    await read(client)
    await server.kill()
    await server.start()
    await untilAnswered(client)
    await client.run((live) => live.set('key', 'in three'))
    const zero = createRedis({ url: server.url, timeoutMs: 2_000 })
    expect([await read(zero), await read(client)]).toEqual([null, 'in three'])
    zero.close()
  })

  test('An open connection does not keep the process alive', async () => {
    await server.start()
    const before = countSockets()
    await read(open())
    expect(countSockets()).toBe(before)
  })

  test('After close every use fails at once, and nothing connects again', async () => {
    await server.start()
    const client = open()
    await read(client)
    client.close()
    expect(await readOutcome(client)).toBe('redis_offline')
  })
})
