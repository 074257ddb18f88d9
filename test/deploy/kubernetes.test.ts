import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { variableNames } from '../../src/config/variables.ts'
import { atEnd } from '../peers/clean-up.ts'
import { root } from '../peers/documents.ts'
import { whyPackageMissing } from '../peers/heavy.ts'

interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string }
  // What a test reads of it differs from kind to kind.
  // eslint-disable-next-line typescript/no-explicit-any
  spec: any
}

const missing = whyPackageMissing('kubernetes-models')
const peers = join(root, 'test/peers')
const text = readFileSync(join(root, 'deploy/kubernetes.yaml'), 'utf8')
// Kubernetes reads YAML 1.1, in which 0440 is octal.
const manifests = parseAllDocuments(text, { version: '1.1' }).map((document): Manifest => document.toJS())
const find = (kind: string) => manifests.find((manifest) => manifest.kind === kind)!
const pod = find('Deployment').spec.template
const [container] = pod.spec.containers
const portsOf = (rules: { ports: { port: unknown }[] }[]) =>
  rules.flatMap(({ ports }) => ports.map(({ port }) => port))

describe('The manifests for Kubernetes', () => {
  it('are a Deployment, and what keeps it available and isolated', () => {
    const kinds = ['Deployment', 'Service', 'PodDisruptionBudget', 'HorizontalPodAutoscaler', 'NetworkPolicy']
    expect(manifests.map(({ kind }) => kind)).toEqual(kinds)
  })

  it.skipIf(missing).each(manifests.map((one) => [one.kind, one] as const))(
    `fit the schema of Kubernetes: %s ${missing ?? ''}`,
    (kind, manifest) => {
      const models = createRequire(join(peers, '/'))(`kubernetes-models/${manifest.apiVersion}`)
      expect(() => new models[kind](manifest).validate()).not.toThrow()
    },
  )

  it.skipIf(missing)(`have no field that Kubernetes does not know ${missing ?? ''}`, () => {
    // From here, TypeScript finds the package.
    const folder = mkdtempSync(join(peers, 'node_modules/.manifests-'))
    atEnd(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'manifests.mts')
    const typed = manifests.map(
      ({ apiVersion, kind, ...rest }) =>
        `new (await import('kubernetes-models/${apiVersion}')).${kind}(${JSON.stringify(rest)})`,
    )
    writeFileSync(file, `${typed.join('\n')}\nexport {}\n`)
    const options = ['--ignoreConfig', '--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext']
    const tsc = [join(root, 'node_modules/typescript/bin/tsc'), ...options, '--target', 'es2023', file]
    const { status, stdout } = spawnSync(process.execPath, tsc, { encoding: 'utf8' })
    expect([status, stdout]).toEqual([0, ''])
  })

  it('run two replicas of the version in package.json', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    expect(container.image).toMatch(new RegExp(`:${version}$`))
    expect(find('Deployment').spec.replicas).toBe(2)
    expect(find('HorizontalPodAutoscaler').spec.minReplicas).toBe(2)
  })

  it('give the broker no privilege, and nothing to write to', () => {
    expect(pod.spec.securityContext).toEqual({
      runAsNonRoot: true,
      runAsUser: 65_532,
      runAsGroup: 65_532,
      fsGroup: 65_532,
      seccompProfile: { type: 'RuntimeDefault' },
    })
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    expect(pod.spec.automountServiceAccountToken).toBe(false)
  })

  it('mount the secrets as files that only the group of the broker can read', () => {
    const [{ secret }] = pod.spec.volumes
    expect(secret).toEqual({ secretName: 'token-broker', defaultMode: 0o440 })
    const files = container.env.filter(({ name }: { name: string }) => name.endsWith('_FILE'))
    const [{ mountPath }] = container.volumeMounts
    const created = [...text.matchAll(/--from-file=(\S+)/g)].map(([, name]) => `${mountPath}/${name}`)
    expect(files.map(({ value }: { value: string }) => value)).toEqual(created)
    expect(files.map(({ name }: { name: string }) => name)).toContain('SUBJECT_KEY_FILE')
  })

  it('have only settings of the broker, including those for several replicas behind a proxy', () => {
    const names = container.env.map(({ name }: { name: string }) => name.replace(/_FILE$/, ''))
    expect(names).toEqual(expect.arrayContaining(['TRUST_PROXY', 'REDIS_URL', 'SUBJECT_KEY']))
    for (const name of names) expect(variableNames).toContain(name)
  })

  it('probe a port that the broker has, and give it more time to stop than it needs', () => {
    const ports = container.ports.map(({ name }: { name: string }) => name)
    expect(ports).toContain(container.readinessProbe.httpGet.port)
    expect([container.readinessProbe.httpGet.path, container.livenessProbe.httpGet.path]).toEqual([
      '/readyz',
      '/healthz',
    ])
    expect(find('Service').spec.ports[0].targetPort).toBe('http')
    expect(pod.spec.terminationGracePeriodSeconds).toBeGreaterThan(8)
  })

  it('select the pods of the Deployment', () => {
    const labels = { app: 'token-broker' }
    const { selector } = find('Deployment').spec
    expect(selector).toEqual({ matchLabels: labels })
    expect(find('PodDisruptionBudget').spec.selector).toEqual(selector)
    expect(find('NetworkPolicy').spec.podSelector).toEqual(selector)
    expect([pod.metadata.labels, find('Service').spec.selector]).toEqual([labels, labels])
    expect(find('HorizontalPodAutoscaler').spec.scaleTargetRef.name).toBe(find('Deployment').metadata.name)
  })

  it('let the broker reach what its settings name', () => {
    const { ingress, egress } = find('NetworkPolicy').spec
    expect(portsOf(ingress)).toEqual(['http', 'metrics'])
    expect(portsOf(egress)).toEqual([53, 53, 8080, 6379, 443])
  })
})
