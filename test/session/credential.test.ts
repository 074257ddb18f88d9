import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { beforeAll, describe, expect, test } from 'vitest'
import { Problem } from '../../src/problems.ts'
import { cookieNames, createTokenSource } from '../../src/session/credential.ts'
import { ask } from '../peers/door.ts'
import { listen } from '../peers/listen.ts'

interface Reading {
  credential?: string
  code?: string
  outcome?: string
}

let origin: string

function read(request: IncomingMessage): Reading {
  const entries = decodeURIComponent(request.url!.slice(1)).split(',')
  try {
    return { credential: createTokenSource(entries)(request)?.token }
  } catch (error) {
    return error instanceof Problem
      ? { code: error.code, outcome: error.diagnosis.outcome }
      : { code: 'crash' }
  }
}

const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  response.end(JSON.stringify(read(request)))
})

beforeAll(async () => {
  origin = await listen(server)
})

function bearer(token: string): readonly [string, string] {
  return ['Authorization', `Bearer ${token}`]
}

function readFrom(entries: string, headers: readonly (readonly [string, string])[]): Promise<Reading> {
  return ask(origin, headers, `/${encodeURIComponent(entries)}`)
}

/** How long a request with so many cookies of the name takes, the fastest of ten, in milliseconds. */
async function timeOf(pair: string): Promise<number> {
  const headers = [['Cookie', pair.repeat(2_500)]] as const
  const times: number[] = []
  for (let round = 0; round < 10; round += 1) {
    const startedAt = performance.now()
    await readFrom('cookie:sid', headers)
    times.push(performance.now() - startedAt)
  }
  return Math.min(...times)
}

const ambiguous = { code: 'bad_request', outcome: 'ambiguous_credentials' }
const tooLong = { code: 'session_invalid', outcome: 'credential_too_long' }

describe('A bearer token', () => {
  test.each([
    ['Bearer a.b.c', { credential: 'a.b.c' }],
    ['bearer a.b.c', { credential: 'a.b.c' }],
    ['BEARER   a.b.c', { credential: 'a.b.c' }],
    ['', {}],
    ['Bearer', {}],
    ['Bearer\ta', {}],
    ['Bearer a b', {}],
    ['Bearer a,b', {}],
    ['Bearer a, Bearer b', {}],
    ['Basic YTpi', {}],
    ['Token a', {}],
    ['XBearer a', {}],
  ])('%s is read as %o', async (value, reading) => {
    expect(await readFrom('bearer', [['Authorization', value]])).toEqual(reading)
  })

  test('Two lines with different tokens are ambiguous, two with the same are one', async () => {
    expect(await readFrom('bearer', [bearer('a'), bearer('b')])).toEqual(ambiguous)
    expect(await readFrom('bearer', [bearer('a'), bearer('a')])).toEqual({ credential: 'a' })
  })
})

describe('A cookie', () => {
  test.each([
    ['sid=a', { credential: 'a' }],
    ['theme=dark; sid=a', { credential: 'a' }],
    ['sid=s%3Aa.b', { credential: 's:a.b' }],
    ['sid="a"', { credential: 'a' }],
    ['sid="Bearer a"', { credential: 'a' }],
    ['sid=%22Bearer%20a%22', { credential: 'a' }],
    ['sid=bearer a', { credential: 'a' }],
    ['sid="', { credential: '"' }],
    ['sid=""', {}],
    ['sid=%zz', { credential: '%zz' }],
    ['sid=a=b', { credential: 'a=b' }],
    ['sid=a; sid=a', { credential: 'a' }],
    ['sid=a; sid=', { credential: 'a' }],
    ['sid=a; sid=b', ambiguous],
    ['sid=a; theme=dark;sid=b', ambiguous],
    ['sid=', {}],
    ['sid', {}],
    ['SID=a', {}],
    ['asid=a; sida=b', {}],
    ['theme=sid=a', {}],
    ['__proto__=a; constructor=b', {}],
    [';;;=; =a;', {}],
  ])('%s is read as %o', async (value, reading) => {
    expect(await readFrom('cookie:sid', [['Cookie', value]])).toEqual(reading)
  })

  test('Two lines with different cookies of the name are ambiguous', async () => {
    const lines = [
      ['Cookie', 'sid=a'],
      ['Cookie', 'sid=b'],
    ] as const
    expect(await readFrom('cookie:sid', lines)).toEqual(ambiguous)
  })

  test('A cookie named __proto__ is a cookie like any other', async () => {
    expect(await readFrom('cookie:__proto__', [['Cookie', '__proto__=a']])).toEqual({ credential: 'a' })
    expect(await readFrom('cookie:__proto__', [['Cookie', 'sid=a']])).toEqual({})
  })

  test('Among two hundred cookies with similar names, the one with exactly this name is read', async () => {
    const many = Array.from({ length: 200 }, (_, index) => `sid${index}=value-of-this-cookie`).join('; ')
    expect(await readFrom('cookie:sid', [['Cookie', `${many}; sid=a`]])).toEqual({ credential: 'a' })
  })

  test('2,500 cookies that cannot be decoded cost hardly more than one that can', async () => {
    expect(await timeOf('sid=%;')).toBeLessThan(5 * (await timeOf('sid=a;')))
  })
})

describe('A header', () => {
  test.each([
    [[['X-Token', 'a']], { credential: 'a' }],
    [[['x-token', 'a']], { credential: 'a' }],
    [[['X-Token', '']], {}],
    [[['X_Token', 'a']], {}],
    [
      [
        ['X-Token', 'a'],
        ['X-Token', 'b'],
      ],
      ambiguous,
    ],
    [
      [
        ['X-Token', 'a'],
        ['x-token', 'a'],
      ],
      { credential: 'a' },
    ],
  ] as const)('%j is read as %o', async (headers, reading) => {
    expect(await readFrom('header:X-Token', headers)).toEqual(reading)
  })
})

describe('The length of a credential', () => {
  const longest = 'a'.repeat(8192)

  test.each([
    ['bearer', 'Authorization', 'Bearer '],
    ['cookie:sid', 'Cookie', 'sid='],
    ['header:X-Token', 'X-Token', ''],
  ])('From %s, 8 KiB are read and one byte more is refused', async (entry, name, before) => {
    expect(await readFrom(entry, [[name, before + longest]])).toEqual({ credential: longest })
    expect(await readFrom(entry, [[name, `${before}${longest}a`]])).toEqual(tooLong)
  })
})

describe('Several sources', () => {
  const entries = 'header:X-Token,cookie:sid,bearer'

  test('The first that is present decides', async () => {
    const lines = [
      ['Authorization', 'Bearer c'],
      ['Cookie', 'sid=b'],
      ['X-Token', 'a'],
    ] as const
    expect(await readFrom(entries, lines)).toEqual({ credential: 'a' })
    expect(await readFrom(entries, lines.slice(0, 2))).toEqual({ credential: 'b' })
    expect(await readFrom(entries, lines.slice(0, 1))).toEqual({ credential: 'c' })
    expect(await readFrom(entries, [])).toEqual({})
  })

  test('The cookies among them are known by name', () => {
    expect(cookieNames(entries.split(','))).toEqual(['sid'])
  })
})
