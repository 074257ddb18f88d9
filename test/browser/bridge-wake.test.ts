import { afterAll, beforeAll, beforeEach, describe, test } from 'vitest'
import { expectAsked, expectHeard, expectSeen } from './expect.ts'
import type { Page } from './page.ts'
import { answerAs, refusal, type Script } from './scripted-broker.ts'
import { startStage, type Stage } from './stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await startStage()
})
beforeEach(() => stage.reset())
afterAll(() => stage.close())

const signedOut: Script = () => refusal(401, 'session_missing')
const focus = (page: Page) => page.evaluate(() => void dispatchEvent(new Event('focus')))

describe('After a 401, the focus of the page', () => {
  test('leads to no request as long as nothing indicates a sign-in', async () => {
    stage.broker.script = signedOut
    const page = await stage.open(stage.script(), { clock: true })
    await expectSeen(page, 'signed-out')
    await focus(page)
    await page.clock.runFor(120_000)
    await focus(page)
    await page.clock.runFor(1_000)
    await expectAsked(stage, 1)
  })

  test('leads to one request a minute if a widget has asked since', async () => {
    stage.broker.script = signedOut
    const page = await stage.open(stage.script() + stage.widget('w1?silent'), { clock: true })
    await expectSeen(page, 'signed-out')
    await stage.ask(page)
    await focus(page)
    await expectAsked(stage, 2)
    await stage.ask(page)
    await focus(page)
    await page.clock.runFor(50_000)
    await focus(page)
    await expectAsked(stage, 2)
    await page.clock.runFor(11_000)
    stage.broker.script = answerAs('ann')
    await focus(page)
    await expectHeard(stage, page, [['ann-token-3']])
  })

  test('leads to a request if another tab has seen a sign-in', async () => {
    const site = stage.newSite()
    stage.broker.script = signedOut
    const one = await stage.open(stage.script(), { site })
    await expectSeen(one, 'signed-out')
    const two = await stage.open(stage.script(), { site })
    await expectSeen(two, 'signed-out')
    stage.broker.script = answerAs('ann')
    await focus(two)
    await expectAsked(stage, 2)
    await one.evaluate(() => returningAI.refresh())
    // The news has come when a later message has.
    await two.evaluate(() => {
      const channel = new BroadcastChannel('returning-ai-widget-token')
      Object.assign(window, { news: new Promise((resolve) => channel.addEventListener('message', resolve)) })
    })
    await one.evaluate(() => {
      const channel = new BroadcastChannel('returning-ai-widget-token')
      const tell = channel.postMessage.bind(channel)
      tell({ broker: 'nobody' })
    })
    await two.evaluate('news')
    await focus(two)
    await expectSeen(two, 'token', { subject: 'ann' })
  })
})
