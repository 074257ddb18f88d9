import { join } from 'node:path'
import puppeteer from 'puppeteer-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { startDemo } from '../../src/demo/start.ts'
import { chromiumArgs, findChromium } from '../browser/chromium.ts'
import { atEnd } from '../peers/clean-up.ts'
import { root } from '../peers/documents.ts'
import { send } from '../peers/exchange.ts'
import { whyPackageMissing } from '../peers/heavy.ts'

const missing = whyPackageMissing('lighthouse')

interface Report {
  categories: Record<string, { score: number; auditRefs: { id: string; weight: number }[] }>
  audits: Record<string, { title: string; score: number | null; details?: { items: Request[] } }>
}

interface Request {
  url: string
  statusCode: number
}

/** A Chromium whose DevTools have a port, as Lighthouse needs it. Returns the port. */
async function openChromium(): Promise<string> {
  const { executablePath, env } = await findChromium()
  const options = { executablePath, env: { ...process.env, ...env }, args: chromiumArgs }
  const browser = await puppeteer.launch({ browser: 'chrome', headless: 'shell', ...options })
  atEnd(() => browser.close())
  return new URL(browser.wsEndpoint()).port
}

/** Runs Lighthouse on the page of the demo, as a signed-in user. */
async function inspectDemo(): Promise<Report> {
  const demo = await startDemo({ host: '127.0.0.1', port: 0, sandboxPort: 0, logLevel: 'silent' })
  atEnd(demo.close)
  const headers = {
    'content-type': 'application/json',
    origin: demo.address,
    'sec-fetch-site': 'same-origin',
  }
  const signIn = { method: 'POST', path: '/demo/sign-in', headers, body: '{"user":"ada"}' }
  const answer = await send(demo.address.replace('localhost', '127.0.0.1'), signIn)
  const [cookie] = answer.headers['set-cookie']![0]!.split(';')
  // By a variable, because only test/peers has the package.
  const library = join(root, 'test/peers/node_modules/lighthouse/core/index.js')
  const { default: lighthouse } = await import(library)
  const options = { port: await openChromium(), logLevel: 'error', extraHeaders: { cookie } }
  const { lhr } = await lighthouse(demo.address, options)
  return lhr as Report
}

describe.skipIf(missing)('Lighthouse', () => {
  let report: Report

  beforeAll(async () => {
    report = await inspectDemo()
  }, 120_000)

  it('sees the page of a signed-in user', () => {
    const requests = report.audits['network-requests']!.details!.items
    expect(requests.filter(({ url }) => url.endsWith('/widget-token'))).toMatchObject([{ statusCode: 200 }])
  })

  it.each(['accessibility', 'best-practices'])('gives it at least 95 of 100 for %s', (name) => {
    const { score, auditRefs } = report.categories[name]!
    const faults = auditRefs
      .filter(({ id, weight }) => weight > 0 && (report.audits[id]!.score ?? 1) < 1)
      .map(({ id }) => report.audits[id]!.title)
    expect({ faults, isEnough: score >= 0.95 }).toMatchObject({ isEnough: true })
  })
})
