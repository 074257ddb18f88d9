import { readFileSync } from 'node:fs'
import { parse } from 'dotenv'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/config.ts'
import { fromFiles, variableNames, variables } from '../../src/config/variables.ts'

const text = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8')
const paragraphs = text.split(/\n\n+/)
const settings = [...text.matchAll(/^(# )?([A-Z_]+)=(.*)$/gm)].map(([, off, name = '', value = '']) => ({
  name,
  value,
  required: off === undefined,
}))
const paragraphOf = (name: string) => paragraphs.find((part) => new RegExp(`^(# )?${name}=`, 'm').test(part))
const valueOf = new Map(settings.map(({ name, value }) => [name, value]))

describe('.env.example', () => {
  it('names every setting once, and nothing else', () => {
    expect(settings.map(({ name }) => name).sort()).toEqual([...variableNames].sort())
  })

  it.each(variableNames)('says what %s is for', (name) => {
    expect(paragraphOf(name)).toMatch(/^# (?![A-Z_]+=).{15,}/)
  })

  it.each(fromFiles.filter((name) => !name.endsWith('PUBLIC_KEY')))(
    'says of %s that it is a secret',
    (name) => {
      expect(paragraphOf(name)).toMatch(/secret|password/i)
    },
  )

  it('leaves only the settings that are always required to be filled in', () => {
    const required = settings.filter((setting) => setting.required)
    expect(required).toEqual(
      ['WIDGET_COMMUNITY_ID', 'WIDGET_API_KEY', 'SESSION_MODE'].map((name) => ({
        name,
        value: '',
        required: true,
      })),
    )
  })

  it('shows the default of each setting', () => {
    const defaults = Object.entries(variables.shape).flatMap(([name, field]) => {
      const { success, data } = field.safeParse(undefined)
      return success && data !== undefined ? [[name, data] as const] : []
    })
    expect(defaults.length).toBeGreaterThan(15)
    for (const [name, data] of defaults) {
      const shape: Record<string, { parse(value: unknown): unknown }> = variables.shape
      expect([name, shape[name]!.parse(valueOf.get(name))]).toEqual([name, data])
    }
  })

  it('loads once the required settings are filled in', () => {
    const filled = {
      ...parse(text),
      WIDGET_COMMUNITY_ID: 'community-1',
      WIDGET_API_KEY: 'key-1',
      SESSION_MODE: 'forward-auth',
      SESSION_FORWARD_URL: valueOf.get('SESSION_FORWARD_URL'),
    }
    expect(loadConfig(filled).listen.port).toBe(3000)
  })

  it('loads with each example enabled on its own', () => {
    const base = {
      WIDGET_COMMUNITY_ID: 'community-1',
      WIDGET_API_KEY: 'key-1',
      SESSION_MODE: 'forward-auth',
      SESSION_FORWARD_URL: 'https://app.example.com/api/me',
    }
    // Elsewhere, examples of secrets are refused.
    const local = { WIDGET_BASE_URL: 'http://127.0.0.1:4000', RAI_API_URL: 'http://127.0.0.1:4000' }
    const accessKey = { RAI_ACCESS_ID: 'id-1', RAI_ACCESS_KEY: 'key-1', RAI_USER_IDENTIFIERS: 'data-id=sub' }
    for (const { name, value } of settings.filter((setting) => !setting.required)) {
      const door = name.startsWith('RAI_') ? { SUBJECT_KEY: 'subject-key-of-this-test', ...accessKey } : {}
      expect(() => loadConfig({ ...base, ...local, ...door, [name]: value })).not.toThrow()
    }
  })

  it('suits docker --env-file, which supports neither quotes nor a comment behind a value', () => {
    for (const { value } of settings) expect(value).not.toMatch(/["'\s]/)
  })
})
