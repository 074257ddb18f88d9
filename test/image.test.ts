import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { validEnvironment } from './peers/broker.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (name: string) => readFileSync(`${root}/${name}`, 'utf8')
const instructions = read('Dockerfile')
  .split('\n')
  .filter((line) => /^[A-Z]+ /.test(line))
const lastStage = instructions.slice(instructions.findLastIndex((line) => line.startsWith('FROM ')))
const of = (name: string, lines = lastStage) => lines.filter((line) => line.startsWith(`${name} `))

describe('The image', () => {
  it('is built on exact versions of Node 24', () => {
    for (const from of of('FROM', instructions)) expect(from).toMatch(/^FROM node:24\.\d+\.\d+-/)
  })

  it('runs as a numeric user that is not root', () => {
    expect(of('USER')).toEqual([expect.stringMatching(/^USER [1-9]\d{3,}:[1-9]\d{3,}$/)])
  })

  it('starts node itself as process 1, without shell or npm', () => {
    expect(of('ENTRYPOINT')).toEqual(['ENTRYPOINT []'])
    expect(of('CMD')).toEqual([expect.stringMatching(/^CMD \["node", .*"dist\/server\.js"\]$/)])
    expect(of('RUN').join()).toContain('/usr/local/lib/node_modules')
  })

  it('takes no secret as argument or variable', () => {
    const declared = instructions.filter((line) => /^(ARG|ENV) /.test(line))
    expect(declared).toEqual(['ENV NODE_ENV=production'])
  })

  it('is made of an allow-list of files', () => {
    const lines = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
    expect(lines[0]).toBe('*')
    expect(
      lines
        .slice(1)
        .every((line) => /^!(package(-lock)?\.json|\.npmrc|tsconfig\.json|src|public)$/.test(line)),
    ).toBe(true)
  })

  it('is deployed without privileges by both examples', () => {
    expect(read('deploy/compose.yaml')).toMatch(
      /read_only: true[\s\S]*cap_drop: \[ALL\][\s\S]*no-new-privileges:true/,
    )
    const kubernetes = read('deploy/kubernetes.yaml')
    for (const setting of [
      'runAsNonRoot: true',
      'readOnlyRootFilesystem: true',
      'allowPrivilegeEscalation: false',
    ]) {
      expect(kubernetes).toContain(setting)
    }
  })

  it('serves without permission to write, to start a process or to read other files', async () => {
    const permission = process.version.startsWith('v20.') ? '--experimental-permission' : '--permission'
    const flags = [
      permission,
      `--allow-fs-read=${root}*`,
      ...(permission === '--permission' ? ['--allow-net'] : []),
    ]
    const allowed = flags.filter((flag) => process.allowedNodeEnvironmentFlags.has(flag.split('=')[0] ?? ''))
    expect(allowed).toEqual(expect.arrayContaining([permission, `--allow-fs-read=${root}*`]))
    const broker = spawn(process.execPath, [...allowed, `${root}dist/server.js`], {
      cwd: root,
      env: { ...validEnvironment, HOST: '127.0.0.1', PORT: '0', SHUTDOWN_DELAY_MS: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = await once(broker.stdout.setEncoding('utf8'), 'data')
    const { port } = JSON.parse(String(line).split('\n')[0] ?? '')
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200)
    broker.kill('SIGTERM')
    expect(await once(broker, 'exit')).toEqual([0, null])
  })
})
