import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { atEnd } from './clean-up.ts'

const listen = `
  const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 })
  server.on('listening', () => console.log(server.address().port))`

/** A port whose queue of connections is full and whose process is stopped: a new connection is neither taken nor refused. */
export async function startFullListener() {
  const child = spawn(process.execPath, ['-e', listen], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const port = Number(line.toString())
  child.kill('SIGSTOP')
  const filling = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => undefined))
  await once(filling[0]!, 'connect')
  atEnd(() => {
    for (const socket of filling) socket.destroy()
    child.kill('SIGKILL')
  })
  return { url: `http://127.0.0.1:${port}` }
}
