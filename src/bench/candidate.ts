import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { NextSession } from './load.ts'
import { startMeasured, type Measured } from './process.ts'
import { sessionSecret, signSession } from './session.ts'

/** A server to be measured, and the sessions it is asked with. */
export interface Candidate {
  name: string
  server: Measured
  next: NextSession
}

/** As `npm start` and the image start it. */
const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
const brokerFlags: string[] = scripts.start.match(/--\S+/g)
const warmSessions = 1_000

let users = 0

/** A new session. */
export const newSession: NextSession = () => signSession((users += 1))

/** Cycles through a number of sessions. */
export function recurringSessions(count: number): NextSession {
  const sessions = Array.from({ length: count }, newSession)
  let index = 0
  return () => sessions[(index += 1) % count]!
}

/**
 * The broker as it is in production, with every protection and metrics on, and its log in a file. `cpus` pins
 * it to some of the machine's CPUs.
 */
export function startBroker(vendorUrl: string, logFile: string, cpus?: string): Promise<Measured> {
  const env = {
    WIDGET_BASE_URL: vendorUrl,
    WIDGET_COMMUNITY_ID: 'bench',
    WIDGET_API_KEY: 'bench-key',
    SUBJECT_KEY: 'bench-subject-key',
    SESSION_MODE: 'jwt',
    SESSION_JWT_SECRET: sessionSecret,
    ALLOWED_ORIGINS: 'https://app.example.com',
    ADMIN_LISTEN: '127.0.0.1:0',
  }
  return startMeasured('../server.js', env, { execArgv: brokerFlags, logFile, cpus })
}

/** One of the programs that the broker is compared with. */
export function startServer(name: 'express' | 'limit' | 'guide', vendorUrl = ''): Promise<Measured> {
  return startMeasured(`./servers/${name}.js`, { VENDOR_URL: vendorUrl })
}

/** All candidates; the broker twice, so that cold requests do not fill the memory of the warm one. */
export async function startCandidates(vendorUrl: string, logFile: string): Promise<Candidate[]> {
  return [
    { name: 'express', server: await startServer('express'), next: newSession },
    { name: 'limit', server: await startServer('limit', vendorUrl), next: newSession },
    { name: 'guide', server: await startServer('guide', vendorUrl), next: newSession },
    { name: 'cold', server: await startBroker(vendorUrl, logFile), next: newSession },
    { name: 'warm', server: await startBroker(vendorUrl, logFile), next: recurringSessions(warmSessions) },
  ]
}

/**
 * The broker pinned to one CPU and to two, if `taskset` is installed (Linux). The client and the vendor use
 * the whole machine.
 */
export async function startPinnedBrokers(vendorUrl: string, logFile: string): Promise<Candidate[]> {
  if (spawnSync('taskset', ['--version']).error !== undefined) return []
  const start = (cpus: string) => startBroker(vendorUrl, logFile, cpus)
  const warm = recurringSessions(warmSessions)
  return [
    { name: 'cold, 1 CPU', server: await start('0'), next: newSession },
    { name: 'cold, 2 CPUs', server: await start('0,1'), next: newSession },
    { name: 'warm, 1 CPU', server: await start('0'), next: warm },
    { name: 'warm, 2 CPUs', server: await start('0,1'), next: warm },
  ]
}
