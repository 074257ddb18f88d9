import express from 'express'
import { createSessionCheck } from '../session.ts'

// The vendor's guide as it stands: a plain Express route that signs in by the global fetch, once per request.

const app = express()
const checkSession = await createSessionCheck()
const signinUrl = `${process.env.VENDOR_URL}/widget/bench/signin`

app.post('/widget-token', async (request, response) => {
  const email = await checkSession(request.headers.authorization)
  const signin = await fetch(signinUrl, {
    method: 'POST',
    headers: { 'returningai-api-key': 'bench-key', email, 'Content-Type': 'application/json' },
  })
  const { token } = (await signin.json()) as { token: string }
  response.json({ token })
})

app.listen(0, '127.0.0.1').keepAliveTimeout = 60_000
