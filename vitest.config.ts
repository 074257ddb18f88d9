import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    globalSetup: 'test/global-setup.ts',
    include: ['test/**/*.test.ts'],
    // Most files wait for browsers and processes, so two share even a small machine well.
    maxWorkers: 2,
    setupFiles: 'test/patience.ts',
    // No test waits for long on purpose: this is for a machine that is busy.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
