import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'

const bridge = readFileSync(new URL('../public/bridge.js', import.meta.url))

describe('The bytes of the bridge', () => {
  test('are at most 4 KB gzipped', () => {
    expect(gzipSync(bridge).length).toBeLessThanOrEqual(4096)
  })

  test('are plain ASCII, so that no charset header changes them', () => {
    expect(bridge.toString('latin1')).toMatch(/^[\n\x20-\x7e]*$/)
  })

  test.each([
    ['a message for every origin', /postMessage\(.*'\*'/],
    ['a read of storage', /getItem|localStorage\[|sessionStorage/],
    [
      'a text that becomes code or markup',
      /eval|Function\(|innerHTML|outerHTML|insertAdjacentHTML|document\.write/,
    ],
    ['no-store, which browsers turn into no-cache', /no-store/],
    ['an import or export', /^\s*(import|export)\b/m],
  ])('contain no %s', (_what, pattern) => {
    expect(bridge.toString()).not.toMatch(pattern)
  })
})
