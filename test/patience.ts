import { vi } from 'vitest'

// A busy machine may need longer than the second that `vi.waitFor` gives.
const waitFor: typeof vi.waitFor = vi.waitFor.bind(vi)
vi.waitFor = (check, options) =>
  waitFor(check, { timeout: 30_000, interval: 5, ...(typeof options === 'object' && options) })
