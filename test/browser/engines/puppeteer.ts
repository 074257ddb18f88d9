import puppeteer, { type Browser, type LaunchOptions } from 'puppeteer-core'
import { chromiumArgs, findChromium } from '../chromium.ts'
import type { Engine, Tab } from './engine.ts'
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

async function openTab(browser: Browser): Promise<Tab> {
  const page = await browser.newPage({ type: 'window' })
  return {
    goto: async (url) => void (await page.goto(url)),
    run: (expression) => page.evaluate(expression),
    close: () => page.close(),
  }
}
