import { inject } from 'vitest'
import type { Browser, Engine, EngineTab, Tab } from './engine.ts'
import type { EngineName } from './installed.ts'
import { launchChromiumEngine, launchFirefox } from './puppeteer.ts'
import { launchWebKit } from './webkit.ts'

declare module 'vitest' {
  interface ProvidedContext {
    engine: EngineName
  }
}

const LAUNCH = { Chromium: launchChromiumEngine, Firefox: launchFirefox, WebKitGTK: launchWebKit }

let running: Promise<Browser> | undefined

/** The browser that this run of the scenes is for. The test files of one process share it, and it ends with the process. */
export function useEngine(): Promise<Browser> {
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

/** A closed tab waits for the next scene: a new window costs Firefox most of a second. */
function reuseTabs(engine: Engine): Browser {
  const idle: EngineTab[] = []
  const reusable = (tab: EngineTab): Tab => ({
    ...tab,
    close: async () => {
      await tab.leave()
      idle.push(tab)
    },
  })
  return { open: async () => reusable(idle.pop() ?? (await engine.open())) }
}
