import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findViolations, sam, saysOn, signIn, startDemoPage, waitForWidgets } from './demo-page.ts'

let demoPage: Awaited<ReturnType<typeof startDemoPage>>
beforeAll(async () => {
  demoPage = await startDemoPage()
})
afterAll(() => demoPage.close())

describe('The demo in a browser', () => {
  test('signs four widgets in, renews, follows a switch of the user, and signs out', async () => {
    await demoPage.visit({}, async (page, faults) => {
      await saysOn(page, 'session', 'Signed out')
      await signIn(page)
      await saysOn(page, 'session', 'Signed in as Ada Lindqvist')
      await saysOn(page, 'token', 'Token received')

      await page.click('[data-action=expire]')
      await saysOn(page, 'token', 'Token renewed')
      await page.frameLocator('#panel-0 iframe').locator('html[data-tokens="2"]').waitFor()

      await page.click('[data-action=switch]')
      await waitForWidgets(page, sam)
      await saysOn(page, 'session', 'Signed in as Sam Okafor')

      await page.click('[data-action=sign-out]')
      await saysOn(page, 'session', 'Signed out')
      const signedIn = page.frames().map((frame) => frame.locator('html[data-state=signed-in]').count())
      expect(await Promise.all(signedIn)).toEqual(signedIn.map(() => 0))
      expect(faults).toEqual([])
    })
  })

  test('says that it retries when the vendor fails, and then succeeds', async () => {
    await demoPage.visit({}, async (page) => {
      await signIn(page)
      await page.click('[data-action=fail]')
      await saysOn(page, 'token', 'Trying again')
      const trouble = page.getByRole('region', { name: 'What went wrong' })
      await trouble.getByText('“outcome” in the log', { exact: true }).waitFor()
      expect(await trouble.locator('[data-of=outcomes]').textContent()).toBe('vendor_rate_limited')
      await saysOn(page, 'token', 'Token renewed')
      expect(await page.locator('#journal').textContent()).toContain(
        'limits the rate of requests. Trying again.',
      )
    })
  })

  test('fits into 320 pixels without scrolling sideways', async () => {
    await demoPage.visit({ viewport: { width: 320, height: 640 } }, async (page) => {
      await signIn(page)
      // A widget that is not in view has no width to keep within.
      const overflow = page
        .frames()
        .map((frame) => frame.evaluate(() => innerWidth && document.documentElement.scrollWidth - innerWidth))
      expect(await Promise.all(overflow)).toEqual(overflow.map(() => 0))
    })
  })

  test.each(['light', 'dark'] as const)('passes axe in %s, page and widgets', async (colorScheme) => {
    await demoPage.visit({ colorScheme, bypassCSP: true }, async (page) => {
      expect(await findViolations(page)).toEqual([])
      await signIn(page)
      for (const tab of await page.locator('#tabs [role=tab]').all()) {
        await tab.click()
        const panel = page.locator('#panels > :not([hidden]) iframe')
        const frame = await (await panel.elementHandle()).contentFrame()
        await frame!.locator('html:is([data-state=signed-in], [data-state=public]) main h1').waitFor()
        expect(await findViolations(frame!)).toEqual([])
      }
      expect(await findViolations(page)).toEqual([])
    })
  })
})
