import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { HtmlValidate } from 'html-validate'
import { describe, expect, it } from 'vitest'

const folder = join(import.meta.dirname, '../public')
const validator = new HtmlValidate({
  extends: ['html-validate:recommended'],
  rules: {
    // As the formatter writes them.
    'doctype-style': ['error', { style: 'lowercase' }],
    'void-style': ['error', { style: 'selfclosing' }],
  },
})

describe.each(['index.html', 'sandbox/widget.html'])('public/%s', (name) => {
  const html = readFileSync(join(folder, name), 'utf8')

  it('is valid HTML', async () => {
    const { results } = await validator.validateString(html)
    expect(
      results.flatMap(({ messages }) => messages.map(({ line, message }) => `${line}: ${message}`)),
    ).toEqual([])
  })

  it('has no space in an address', () => {
    const addresses = [...html.matchAll(/\s(?:href|src)="([^"]*)"/g)].map(([, address = '']) => address)
    expect(addresses.length).toBeGreaterThan(0)
    expect(addresses.filter((address) => /\s/.test(address))).toEqual([])
  })

  it('has a description', () => {
    expect(html).toMatch(/<meta name="description" content="[^"]{20,}" \/>/)
  })
})
