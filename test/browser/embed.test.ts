import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually, expectAsked, expectHeard, expectSeen } from './expect.ts'
import type { Page } from './page.ts'
import { refusal, type Script } from './scripted-broker.ts'
import { startStage, type Stage } from './stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await startStage()
})
beforeEach(() => {
  const reset = stage.reset()
  stage.broker.script = embedAs('ann')
  return reset.then(() => (stage.broker.script = embedAs('ann'))).then(() => undefined)
})
afterAll(() => stage.close())

const embedAs =
  (subject: string): Script =>
  ({ path }, count) => ({
    body: {
      [path.startsWith('/embed') ? 'embedToken' : 'token']: `${subject}-${count}`,
      expiresIn: 900,
      subject,
    },
  })

/** A stand-in for the vendor's SDK, which takes the token once. */
const SDK = `<script>
  window.taken = []
  customElements.define('rai-store-widget', class extends HTMLElement {
    connectedCallback() { taken.push(this.getAttribute('embed-token')) }
  })
</script>`
const embed =
  '<returning-ai-embed><template><rai-store-widget></rai-store-widget></template></returning-ai-embed>'
const keeper = (attributes = '') => `<script src="${stage.broker.origin}/embed.js" ${attributes}></script>`
const taken = (page: Page) => page.evaluate('taken')
const attributes = (page: Page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('rai-store-widget')].map((tag) => tag.getAttribute('embed-token')),
  )

describe('The keeper of embed tokens', () => {
  test.each(['before', 'after'])('adds the tag with its token, the SDK %s it', async (order) => {
    const page = await stage.open(
      (order === 'before' ? SDK : '') + keeper() + embed + (order === 'after' ? SDK : ''),
    )
    await expect.poll(() => taken(page), eventually).toEqual(['ann-1'])
    expect(stage.broker.asked()).toMatchObject([{ method: 'POST', path: '/embed-token' }])
  })

  test('mints once for fifty tags', async () => {
    const page = await stage.open(SDK + keeper() + embed.repeat(50))
    await expect.poll(() => taken(page), eventually).toEqual(Array(50).fill('ann-1'))
    await expectAsked(stage, 1)
  })

  test('mints one token for each tag, in turn, with data-per-tag', async () => {
    const page = await stage.open(SDK + keeper('data-per-tag') + embed.repeat(3))
    await expect.poll(() => taken(page), eventually).toEqual(['ann-1', 'ann-2', 'ann-3'])
    await expectAsked(stage, 3)
  })

  test('renews the attribute in place, a minute before the end', async () => {
    const page = await stage.open(SDK + keeper() + embed, { clock: true })
    await expect.poll(() => attributes(page), eventually).toEqual(['ann-1'])
    await page.clock.runFor(839_000)
    expect(stage.broker.asked()).toHaveLength(1)
    await page.clock.runFor(2_000)
    await expect.poll(() => attributes(page), eventually).toEqual(['ann-2'])
    expect(await taken(page)).toEqual(['ann-1'])
  })

  test('replaces the tag for another user', async () => {
    const page = await stage.open(SDK + keeper() + embed)
    await expect.poll(() => taken(page), eventually).toEqual(['ann-1'])
    stage.broker.script = embedAs('bob')
    await page.evaluate(() => returningAI.refresh())
    await expect.poll(() => taken(page), eventually).toEqual(['ann-1', 'bob-2'])
    expect(await attributes(page)).toEqual(['bob-2'])
  })

  test('removes the tag at a sign-out', async () => {
    const page = await stage.open(SDK + keeper() + embed)
    await expect.poll(() => attributes(page), eventually).toEqual(['ann-1'])
    await page.evaluate(() => returningAI.signOut())
    expect(await attributes(page)).toEqual([])
  })

  test('adds no tag without a session', async () => {
    stage.broker.script = () => refusal(401, 'session_missing')
    const page = await stage.open(SDK + keeper() + embed)
    await expectSeen(page, 'signed-out', { reason: 'session' })
    expect(await attributes(page)).toEqual([])
  })

  test.each(['before', 'after'])('works beside a bridge that is loaded %s it', async (order) => {
    const scripts = [stage.script(), keeper()]
    if (order === 'after') scripts.reverse()
    const page = await stage.open(SDK + scripts.join('') + embed + stage.widget())
    await expect.poll(() => attributes(page), eventually).toEqual([expect.stringMatching('ann')])
    await expectHeard(stage, page, [[expect.stringMatching('ann')]])
    await expectAsked(stage, 2)
  })

  test('replaces the tag at each renewal with data-renew="remake"', async () => {
    const page = await stage.open(SDK + keeper('data-renew="remake"') + embed, { clock: true })
    await expect.poll(() => taken(page), eventually).toEqual(['ann-1'])
    await page.clock.runFor(841_000)
    await expect.poll(() => taken(page), eventually).toEqual(['ann-1', 'ann-2'])
    expect(await attributes(page)).toEqual(['ann-2'])
  })

  test('replaces the tag when the page is shown again after its token has expired', async () => {
    const page = await stage.open(SDK + keeper() + embed, { clock: true })
    await expect.poll(() => taken(page), eventually).toEqual(['ann-1'])
    await page.clock.setSystemTime(7_200_000)
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange', { bubbles: true })))
    await expect.poll(() => taken(page), eventually).toEqual(['ann-1', 'ann-2'])
  })

  test.each([
    ['renews the attribute in place', 'ann', ['ann-1']],
    ['replaces the tag for another user', 'bob', ['ann-1', 'bob-2']],
  ])('is up to date after a return from the back-forward cache: %s', async (_what, user, values) => {
    const page = await stage.open(SDK + keeper() + embed)
    await expect.poll(() => taken(page), eventually).toEqual(['ann-1'])
    stage.broker.script = embedAs(user)
    await page.evaluate(() => void dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })))
    await expect.poll(() => attributes(page), eventually).toEqual([`${user}-2`])
    expect(await taken(page)).toEqual(values)
  })

  test('recovers by itself after a failed mint', async () => {
    stage.broker.script = (request, count) =>
      count === 1 ? refusal(503, 'vendor_timeout') : embedAs('ann')(request, count)
    const page = await stage.open(SDK + keeper() + embed)
    await expectSeen(page, 'error', { code: 'vendor_timeout', retrying: true })
    await expect.poll(() => taken(page), eventually).toEqual(['ann-2'])
  })
})
