import express from 'express'

// A bare Express route that answers a constant: no session, no vendor, no protection.

const app = express()
const answer = { token: 'x'.repeat(300), expiresIn: 300, subject: 'x'.repeat(22) }

app.post('/widget-token', (_request, response) => {
  response.json(answer)
})

app.listen(0, '127.0.0.1').keepAliveTimeout = 60_000
