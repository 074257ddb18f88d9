import { fileURLToPath } from 'node:url'

/** Where the packages are: Next.js would guess by the lockfiles that it sees further up. */
export default { turbopack: { root: fileURLToPath(new URL('..', import.meta.url)) } }
