import { setTimeout as pass } from 'node:timers/promises'
import puppeteer, { type Browser, type LaunchOptions, type Page } from 'puppeteer-core'
import { chromiumArgs, findChromium } from '../chromium.ts'
import type { Engine, EngineTab } from './engine.ts'
import { findFirefox } from './installed.ts'

/** Chromium, by the DevTools protocol. */
export async function launchChromiumEngine(): Promise<Engine> {
  const { executablePath, env } = await findChromium()
  return launch({
    browser: 'chrome',
    executablePath,
    env: { ...process.env, ...env },
    args: chromiumArgs,
    headless: 'shell',
  })
}

/** Firefox, by WebDriver BiDi, with a temporary profile. */
export async function launchFirefox(): Promise<Engine> {
  return launch({ browser: 'firefox', executablePath: findFirefox() ?? 'firefox' })
}

async function launch(options: LaunchOptions): Promise<Engine> {
  const browser = await puppeteer.launch({ ...options, handleSIGTERM: false })
  return { open: () => openTab(browser), kill: () => browser.process()?.kill('SIGKILL') }
}

async function openTab(browser: Browser): Promise<EngineTab> {
  const page = await browser.newPage({ type: 'window' })
  return {
    goto: async (url) => void (await page.goto(url)),
    run: (expression) => page.evaluate(expression),
    leave: () => leave(page),
  }
}

/**
 * Lets the page itself go: in Firefox, puppeteer waits in vain for the first navigation after a page came out of the
 * back-forward cache.
 */
async function leave(page: Page): Promise<void> {
  const run = (expression: string) => page.evaluate(expression).catch(() => undefined)
  await run("location.replace('about:blank')")
  while ((await run('location.href')) !== 'about:blank') await pass(5)
}
