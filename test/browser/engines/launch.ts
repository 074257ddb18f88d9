import { setTimeout as pass } from 'node:timers/promises'
import { inject } from 'vitest'
import type { Engine, Tab } from './engine.ts'
import type { EngineName } from './installed.ts'
import { launchChromiumEngine, launchFirefox } from './puppeteer.ts'
import { launchWebKit } from './webkit.ts'

declare module 'vitest' {
  interface ProvidedContext {
    engine: EngineName
  }
}

const LAUNCH = { Chromium: launchChromiumEngine, Firefox: launchFirefox, WebKitGTK: launchWebKit }

let running: Promise<Engine> | undefined

/** The browser that this run of the scenes is for. The test files of one process share it, and it ends with the process. */
export function useEngine(): Promise<Engine> {
  running ??= LAUNCH[inject('engine')]().then((engine) => reuseTabs(endWithProcess(engine)))
  return running
}

function endWithProcess(engine: Engine): Engine {
  process.once('exit', () => engine.kill())
  // This is how vitest ends a process.
  process.once('SIGTERM', () => {
    engine.kill()
    process.kill(process.pid, 'SIGTERM')
  })
  return engine
}

/**
 * Lets the page itself go: in Firefox, puppeteer waits in vain for the first navigation after a page came out of the
 * back-forward cache.
 */
async function leave(tab: Tab): Promise<void> {
  const run = (expression: string) => tab.run(expression).catch(() => undefined)
  await run("location.replace('about:blank')")
  while ((await run('location.href')) !== 'about:blank') await pass(5)
}

/** A closed tab waits for the next scene: a new window costs Firefox most of a second. */
function reuseTabs(engine: Engine): Engine {
  const idle: Tab[] = []
  const reusable = (tab: Tab): Tab => ({
    ...tab,
    close: async () => {
      await leave(tab)
      idle.push(tab)
    },
  })
  return { ...engine, open: async () => reusable(idle.pop() ?? (await engine.open())) }
}
