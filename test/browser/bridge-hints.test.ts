import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { needs } from './engines/needs.ts'
import { eventually, expectHeard } from './expect.ts'
import type { Page } from './page.ts'
import { refusal } from './scripted-broker.ts'
import { startStage, type Stage } from './stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await startStage()
})
beforeEach(() => stage.reset())
afterAll(() => stage.close())

async function expectWarning(page: Page, ...parts: string[]): Promise<void> {
  const matching = async () => {
    const warnings: string[] = await page.evaluate(() => warnings)
    return warnings.filter((warning) => parts.every((part) => warning.includes(part)))
  }
  await expect.poll(async () => (await matching()).length, eventually).toBe(1)
}

const isolated = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

describe('The console says what to change if', () => {
  test('the page’s policy blocks the request to the broker', async () => {
    const headers = { 'Content-Security-Policy': "connect-src 'none'" }
    const page = await stage.open(stage.script(), { headers })
    await expectWarning(page, 'policy at connect-src', stage.broker.origin, 'Content-Security-Policy')
  })

  test('the page’s policy blocks the widget', async () => {
    const headers = { 'Content-Security-Policy': "frame-src 'none'" }
    const page = await stage.open(stage.script() + stage.widget(), { headers })
    await expectWarning(page, 'policy at frame-src', stage.vendor.origin, 'Content-Security-Policy')
  })

  test('the page is isolated from other origins', async () => {
    const page = await stage.open(stage.script(), { headers: isolated })
    await expectWarning(page, 'coep at', stage.vendor.origin, 'credentialless')
  })

  test('the page has no origin of its own', async () => {
    stage.broker.script = () => 'no-cors'
    const inner = `<script>console.warn = (text) => parent.postMessage(text, '*')</script>${stage.script()}`
    const outer = `<script>addEventListener('message', ({ data }) => warnings.push(data))</script>`
    const frame = `<iframe title="Inner page" sandbox="allow-scripts" srcdoc="${inner.replaceAll('"', '&quot;')}"></iframe>`
    const page = await stage.open(outer + frame)
    await expectWarning(page, 'network at', stage.broker.origin, 'allow-same-origin')
  })

  test('the session cookie is one of another site', async () => {
    stage.broker.script = () => refusal(401, 'session_missing')
    const page = await stage.open(stage.script())
    await expectWarning(page, 'session_missing at', 'third-party cookie', 'on this site')
  })
})

describe('A page that is isolated from other origins', () => {
  test('gives the token to an element with "credentialless"', async (context) => {
    needs('credentialless iframes', context)
    const element = '<returning-ai-widget type="t" widget-id="w1" credentialless></returning-ai-widget>'
    const page = await stage.open(stage.script() + element, { headers: isolated })
    await expectHeard(stage, page, [['ann-token-1']])
  })
})
