import { beforeEach, describe, expect, it } from 'vitest'
import { Problem } from '../../src/problems.ts'
import { createPauses, type Pauses } from '../../src/returning-ai/pauses.ts'

let nowMs: number
let pauses: Pauses

beforeEach(() => {
  nowMs = 1_000
  pauses = createPauses(() => nowMs)
})

const asCaller = (user: string, keyId = 'key-1') => ({ user, keyId })

/** `ok`, or for how many seconds this user is refused. */
function enter(user: string, keyId?: string): string {
  try {
    pauses.enter(asCaller(user, keyId))
    return 'ok'
  } catch (error) {
    return (error as Problem).headers['retry-after']!
  }
}

function meet(user: string, seconds: number): void {
  pauses.start(asCaller(user), 'vendor_rate_limited', seconds)
}

describe('A pause', () => {
  it('of one user applies to that user and key only, until its end', () => {
    meet('ada', 60)
    expect(enter('ada')).toBe('60')
    expect(enter('ada', 'key-2')).toBe('ok')
    expect(enter('bob')).toBe('ok')
    nowMs += 60_000
    expect(enter('ada')).toBe('ok')
  })

  it('that a second user gets after the first has ended applies to each of them alone', () => {
    meet('ada', 1)
    nowMs += 1_000
    meet('bob', 60)
    expect(enter('cem')).toBe('ok')
  })

  it('of a thousand users forgets the oldest', () => {
    pauses.start(asCaller('ada', 'key-2'), 'vendor_rate_limited', 300)
    for (let nth = 0; nth < 1_000; nth += 1) meet(`user-${nth}`, 300)
    expect(enter('ada', 'key-2')).toBe('ok')
    expect(enter('user-0')).toBe('300')
  })
})

describe('The pause of a key', () => {
  beforeEach(() => {
    meet('ada', 300)
    meet('bob', 60)
  })

  it('lasts as long as the second user’s, and does not apply to another key', () => {
    expect(enter('cem')).toBe('60')
    expect(enter('cem', 'key-2')).toBe('ok')
  })

  it('lets one call of another user through every five seconds', () => {
    nowMs += 4_999
    expect(enter('cem')).toBe('56')
    nowMs += 1
    expect(enter('ada')).toBe('295')
    expect(enter('cem')).toBe('ok')
    expect(enter('dan')).toBe('55')
    nowMs += 5_000
    expect(enter('dan')).toBe('ok')
  })

  it('is not used up by a check alone', () => {
    nowMs += 5_000
    pauses.check(asCaller('cem'))
    expect(enter('cem')).toBe('ok')
  })

  it('ends with the first success, except for the users who got it', () => {
    nowMs += 5_000
    expect(enter('cem')).toBe('ok')
    pauses.succeeded('key-1', nowMs)
    expect(enter('dan')).toBe('ok')
    expect(enter('ada')).toBe('295')
  })

  it('is not ended by a call that had begun before', () => {
    pauses.succeeded('key-1', nowMs - 1)
    expect(enter('dan')).toBe('60')
  })

  it('begins again when its trial call is also told to wait', () => {
    nowMs += 5_000
    expect(enter('cem')).toBe('ok')
    meet('cem', 120)
    expect(enter('dan')).toBe('120')
    nowMs += 4_999
    expect(enter('dan')).toBe('116')
  })
})
