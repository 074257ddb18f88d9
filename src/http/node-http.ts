import type http from 'node:http'
import { createRequire } from 'node:module'

// What we use of node:http. An `import` of it reads all its exports, and Node then loads its own fetch and
// WebSocket for them: 5 ms of each start, and 3 MB.

const require = createRequire(import.meta.url)

export const { createServer, IncomingMessage, ServerResponse, STATUS_CODES } =
  require('node:http') as typeof http
