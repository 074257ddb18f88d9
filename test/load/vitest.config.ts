import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

// `npm run load`: takes minutes and measures this machine, so it is no part of `npm test`.
export default defineConfig({
  test: {
    root: join(import.meta.dirname, '../..'),
    globalSetup: 'test/global-setup.ts',
    include: ['test/load/load.ts', 'test/load/first-view/first-view.ts'],
    fileParallelism: false,
    testTimeout: 90_000,
    disableConsoleIntercept: true,
  },
})
