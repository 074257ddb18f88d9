import { once } from 'node:events'
import Credentials from '@auth/express/providers/credentials'
import { ExpressAuth } from '@auth/express'
import express from 'express'

// An app as the guide of Auth.js makes it: sessions are encrypted JWTs in a cookie, which each look at them renews.

const app = express()
const provider = Credentials({
  credentials: { email: {} },
  authorize: ({ email }) => ({ id: 'user-1', name: 'Ada', email }),
})
const secret = 'the-secret-of-an-app-with-32-bytes'
app.set('trust proxy', true)
app.use('/api/auth', ExpressAuth({ secret, trustHost: true, providers: [provider], logger: { error() {} } }))

const server = app.listen(Number(process.argv[2]), '127.0.0.1')
await once(server, 'listening')
process.stdout.write('listening\n')
