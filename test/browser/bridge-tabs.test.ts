import { setTimeout as pass } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually, expectAsked, expectHeard, expectSeen } from './expect.ts'
import { answerAs, heldBack, refusal } from './scripted-broker.ts'
import { startStage, type Stage } from './stage.ts'

const KEY = 'returning-ai-widget-token'

let stage: Stage
let site: string
beforeAll(async () => {
  stage = await startStage()
})
beforeEach(async () => {
  await stage.reset()
  site = stage.newSite()
})
afterAll(() => stage.close())

const openTab = () => stage.open(stage.script() + stage.widget(), { site })

describe('Many tabs', () => {
  test('renew one at a time, after a first request that does not wait', async () => {
    const pages = await Promise.all([openTab(), openTab(), openTab()])
    for (const page of pages)
      await expect.poll(() => stage.heard(page), eventually).toEqual([[expect.stringMatching('ann')]])
    const held = heldBack(answerAs('ann'))
    stage.broker.script = (request, count) => (count === 4 ? held.script : answerAs('ann'))(request, count)
    await Promise.all(pages.map((page) => stage.ask(page)))
    const inLine = () => pages[0].evaluate(async () => (await navigator.locks.query()).pending?.length)
    await expect.poll(inLine, eventually).toBe(2)
    await expectAsked(stage, 4)
    held.letGo()
    await expectAsked(stage, 6)
  })

  test('do not wait forever for a tab whose request hangs', async () => {
    stage.broker.script = (request, count) =>
      count === 3 ? { after: new Promise(() => {}) } : answerAs('ann')(request, count)
    const [one, two] = [await openTab(), await openTab()]
    await expectHeard(stage, two, [[expect.stringMatching('ann')]])
    await expectHeard(stage, one, [[expect.stringMatching('ann')]])
    await stage.ask(one)
    await expectAsked(stage, 3)
    await stage.ask(two)
    await expectHeard(stage, two, [[expect.stringMatching('ann'), 'ann-token-4']])
  })

  test('are signed out together, and keep no token', async () => {
    const [one, two] = [await openTab(), await openTab()]
    await expectHeard(stage, one, [['ann-token-1']])
    await expectHeard(stage, two, [['ann-token-2']])
    await one.evaluate(() => returningAI.signOut())
    await expectHeard(stage, two, [[]])
    await stage.ask(two)
    expect(await two.evaluate(() => seen.at(-1))).toMatchObject({ detail: { reason: 'other-tab' } })
    expect(await two.evaluate((key) => localStorage.getItem(key), KEY)).toBeNull()
    expect(stage.broker.asked()).toHaveLength(2)
  })

  test('are signed out together by a tab that was signed out already', async () => {
    const [one, two] = [await openTab(), await openTab()]
    await one.evaluate(() => returningAI.signOut())
    await expectHeard(stage, two, [[]])
    await two.evaluate(() => returningAI.refresh())
    await expectHeard(stage, two, [[expect.stringMatching('ann')]])
    await one.evaluate(() => returningAI.signOut())
    await expectHeard(stage, two, [[]])
  })

  test('are signed out together with a tab that has no answer yet', async () => {
    const one = await openTab()
    await expectHeard(stage, one, [['ann-token-1']])
    const late = heldBack(answerAs('ann'))
    stage.broker.script = late.script
    const two = await openTab()
    await expectAsked(stage, 2)
    stage.broker.script = () => refusal(401, 'session_missing')
    await one.evaluate(() => returningAI.signOut())
    late.letGo()
    await expectSeen(two, 'signed-out')
    expect(await stage.heard(two)).toEqual([[]])
    expect(await two.evaluate((key) => localStorage.getItem(key), KEY)).toBeNull()
  })

  test('do not sign out the next user if one tab learns of the sign-out late', async () => {
    const [one, two] = [await openTab(), await openTab()]
    await expectHeard(stage, one, [[expect.stringMatching('ann')]])
    await expectHeard(stage, two, [[expect.stringMatching('ann')]])
    stage.broker.script = answerAs('bob')
    const busy = two.evaluate(() => {
      for (const end = Date.now() + 1_000; Date.now() < end;);
    })
    await one.evaluate(() => returningAI.signOut().then(() => returningAI.refresh()))
    await busy
    await expectSeen(two, 'signed-out', { reason: 'other-tab' })
    // What the late one says would reach the other before this.
    await one.evaluate((key) => {
      const heard = new Promise((resolve) => new BroadcastChannel(key).addEventListener('message', resolve))
      Object.assign(window, { heard })
    }, KEY)
    await two.evaluate((key) => {
      const channel = new BroadcastChannel(key)
      const tell = channel.postMessage.bind(channel)
      tell({ broker: 'nobody' })
    }, KEY)
    await one.evaluate('heard')
    await expectHeard(stage, one, [['bob-token-3']])
    expect(await one.evaluate(() => seen.at(-1)?.type)).toBe('returning-ai:token')
  })

  test('are signed out together when the broker refuses the session to one', async () => {
    const one = await openTab()
    await expectHeard(stage, one, [['ann-token-1']])
    stage.broker.script = () => refusal(401, 'session_missing')
    await openTab()
    await expectHeard(stage, one, [[]])
    expect(stage.broker.asked()).toHaveLength(2)
  })

  test('switch to the new user together', async () => {
    const one = await openTab()
    await expectHeard(stage, one, [['ann-token-1']])
    stage.broker.script = answerAs('bob')
    const two = await openTab()
    await expectHeard(stage, two, [['bob-token-2']])
    await expectHeard(stage, one, [['bob-token-3']])
    expect(stage.broker.asked()).toHaveLength(3)
  })

  test('never share a token: each gets its own from the broker', async () => {
    const one = await openTab()
    await expectHeard(stage, one, [['ann-token-1']])
    stage.broker.script = () => 'no-cors'
    const two = await openTab()
    await expect.poll(() => stage.broker.asked().length, eventually).toBe(2)
    await stage.ask(two)
    expect(await stage.heard(two)).toEqual([[]])
  })

  test('that keep disagreeing about the user stop asking', async () => {
    stage.broker.script = (request, count) => answerAs(count % 2 ? 'ann' : 'bob')(request, count)
    const [one, two] = [await openTab(), await openTab()]
    await expect.poll(async () => (await stage.heard(one)).flat().length, eventually).toBeGreaterThan(0)
    await expect.poll(async () => (await stage.heard(two)).flat().length, eventually).toBeGreaterThan(0)
    const settled = async () => {
      const before = stage.broker.asked().length
      await pass(300)
      return stage.broker.asked().length - before
    }
    await expect.poll(settled, { timeout: 5_000 }).toBe(0)
    expect(stage.broker.asked().length).toBeLessThan(8)
  })
})
