import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { version } from '../src/routes/page.ts'

const read = (name: string) => readFileSync(new URL(`../dist/public/${name}`, import.meta.url))
const bridge = read('bridge.js')

// The fingerprints of each released version. Before a release, a change of a bundle changes the last line; after it,
// the version in package.json has to change too: `/bridge-<version>.js` and `/embed-<version>.js` are cached for a
// year and pinned by their hashes.
const FINGERPRINTS: Record<string, Record<string, string>> = {
  '2.0.0': {
    'bridge.js': 'xW6isAR_UOdmUV0r_MSktHsK78ZR3MOcEmTvVwGydzg',
    'embed.js': 'FMDwcqsvFyvQsvmq0ny_AThoJmZmOE5Ih1FZvQUSwd8',
  },
}

describe('The bytes of the public scripts', () => {
  test.each(['bridge.js', 'embed.js'])('change only together with the version: %s', (name) => {
    expect(FINGERPRINTS[version]?.[name]).toBe(createHash('sha256').update(read(name)).digest('base64url'))
  })
})

describe('The bytes of the bridge', () => {
  test('are at most 5 KB as served with gzip', () => {
    expect(read('bridge.js.gz').length).toBeLessThanOrEqual(5 * 1024)
  })

  test('are plain ASCII, so that no charset header changes them', () => {
    expect(bridge.toString('latin1')).toMatch(/^[\n\x20-\x7e]*$/)
  })

  test.each([
    ['a message for every origin', /postMessage\([^)]*["']\*["']/],
    ['a read of storage', /getItem|localStorage\[|sessionStorage/],
    [
      'a text that becomes code or markup',
      /\beval\(|Function\(|innerHTML|outerHTML|insertAdjacentHTML|document\.write/,
    ],
    ['no-store, which browsers turn into no-cache', /no-store/],
    ['dataset, through which a polluted prototype could choose an address', /\.dataset/],
  ])('contain no %s', (_what, pattern) => {
    expect(bridge.toString()).not.toMatch(pattern)
  })
})

describe('The bytes of the keeper', () => {
  test('are at most 4 KB as served with gzip', () => {
    expect(read('embed.js.gz').length).toBeLessThanOrEqual(4 * 1024)
  })
})

describe('The fast start', () => {
  test('is at most 400 bytes with the token URL of a subdomain in it', () => {
    const script = read('fast-start.js').toString().trim()
    const filled = script.replaceAll('TOKEN_URL', '"https://widgets.example.com/widget-token"')
    expect(filled.length).toBeLessThanOrEqual(400)
    expect(filled).not.toBe(script)
  })
})
