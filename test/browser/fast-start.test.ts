import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { expectAsked, expectHeard, expectTokens } from './expect.ts'
import { answerAs, type Script } from './scripted-broker.ts'
import { startStage, type Stage } from './stage.ts'

const built = new URL('../../dist/public/fast-start.js', import.meta.url)
const template = (await readFile(built, 'utf8')).trim()

let stage: Stage
beforeAll(async () => {
  stage = await startStage()
})
beforeEach(() => stage.reset())
afterAll(() => stage.close())

const source = () => template.replaceAll('TOKEN_URL', `"${stage.broker.origin}/widget-token"`)
const inline = () => `<script>${source()}</script>`

/** A good answer for one user on both token routes. */
const answerBothAs =
  (user: string): Script =>
  () => ({ body: { token: user, embedToken: user, subject: user } })

describe('The fast start', () => {
  test('sends the one request of the page, and the bridge hands its token on', async () => {
    const page = await stage.open(inline() + stage.script('async') + stage.widget())
    await expectTokens(stage, page, [['ann-token-1']])
    await expectAsked(stage, 1)
    expect(await page.evaluate(() => returningAI.state)).toEqual({ status: 'signed-in' })
  })

  test('runs under a strict policy that names its hash', async () => {
    const hash = createHash('sha256').update(source()).digest('base64')
    const policy = [
      "default-src 'none'",
      `script-src ${stage.broker.origin} 'sha256-${hash}'`,
      `connect-src ${stage.broker.origin}`,
      `frame-src ${stage.vendor.origin}`,
      "require-trusted-types-for 'script'",
    ].join('; ')
    const headers = { 'Content-Security-Policy': policy }
    const page = await stage.open(inline() + stage.script('async') + stage.widget(), { headers })
    await expectTokens(stage, page, [['ann-token-1']])
    expect(await page.evaluate(() => faults)).toEqual([])
    await expectAsked(stage, 1)
  })

  test('keeps the requests of widgets until the bridge is there', async () => {
    const page = await stage.open(inline() + stage.widget('w1?silent') + stage.widget('w2?silent'))
    await stage.ask(page, 'w1')
    await page.addScript({
      src: `${stage.broker.origin}/bridge.js`,
      'data-widget-origin': stage.vendor.origin,
    })
    await expectTokens(stage, page, [['ann-token-1'], ['ann-token-1']])
    await expectAsked(stage, 1)
    // An answer to a question, not a gift: the next question is about a refused token.
    await stage.ask(page, 'w1')
    await expectAsked(stage, 2)
  })

  test('gives its answer to nobody once the keeper of embed tokens has seen another user', async () => {
    stage.broker.script = answerBothAs('ann')
    const page = await stage.open(`${inline()}<script src="${stage.broker.origin}/embed.js"></script>`)
    await expectAsked(stage, 1)
    await page.evaluate(() => returningAI.signOut())
    stage.broker.script = answerBothAs('bob')
    await page.evaluate(() => returningAI.refresh())
    await page.addScript({
      src: `${stage.broker.origin}/bridge.js`,
      'data-widget-origin': stage.vendor.origin,
    })
    await page.append(stage.widget())
    await expectHeard(stage, page, [['bob']])
  })

  test('does nothing while the page is prerendered', async () => {
    const prerendering = `<script>
      let hidden = true
      Object.defineProperty(Document.prototype, 'prerendering', { get: () => hidden, configurable: true })
      window.activate = () => { hidden = false; document.dispatchEvent(new Event('prerenderingchange')) }
    </script>`
    const page = await stage.open(prerendering + inline() + stage.script() + stage.widget())
    await stage.ask(page)
    expect(await page.evaluate(() => fetched)).toEqual([])
    stage.broker.script = answerAs('bob')
    await page.evaluate('activate()')
    await expectHeard(stage, page, [['bob-token-1']])
  })
})
