import { once } from 'node:events'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import next from 'next'

const dir = fileURLToPath(new URL('.', import.meta.url))
const app = next({ dev: true, dir })
await app.prepare()
const server = createServer(app.getRequestHandler()).listen(Number(process.argv[2]), '127.0.0.1')
await once(server, 'listening')
process.stdout.write('listening\n')
