import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

// `npm run test:image`: takes minutes and root's rights, so it is no part of `npm test`.
export default defineConfig({
  test: {
    root: join(import.meta.dirname, '../..'),
    include: ['test/image/image.ts'],
    testTimeout: 60_000,
    // Debian's packages and npm's are downloaded once.
    hookTimeout: 900_000,
    disableConsoleIntercept: true,
  },
})
