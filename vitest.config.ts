import { defineConfig } from 'vitest/config'
import { findEngines, type EngineName } from './test/browser/engines/installed.ts'

/** What runs in customers' pages: tried in every engine. */
const scenes = 'test/browser/{bridge,broker,embed,fast-start,sdk,recipes}*.test.ts'

const shared = {
  setupFiles: 'test/patience.ts',
  // Most files wait for browsers and processes, so two share even a small machine well.
  maxWorkers: 2,
  // No test waits for long on purpose: this is for a machine that is busy.
  testTimeout: 60_000,
  hookTimeout: 60_000,
}

const scenesIn = (engine: EngineName) => ({
  test: {
    ...shared,
    name: engine,
    include: [scenes],
    provide: { engine },
    // The files that follow each other in a process share its browser.
    isolate: false,
  },
})

export default defineConfig({
  test: {
    ...shared,
    globalSetup: 'test/global-setup.ts',
    projects: [
      {
        test: {
          ...shared,
          name: 'broker',
          include: ['test/**/*.test.ts'],
          exclude: [scenes, '**/node_modules/**'],
        },
      },
      ...findEngines().running.map(scenesIn),
    ],
  },
})
