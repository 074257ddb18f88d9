import type { RequestListener } from 'node:http'
import { CONNECT } from './served.ts'

const SCRIPT = `
  const received = []
  addEventListener('message', ({ data }) => received.push(data))
  const ask = (data = { type: 'RETURNINGAI_WIDGET_REQUEST_TOKEN' }, to = parent) => {
    to.postMessage(data, '*')
    return whichTab()
  }
  ${CONNECT}
  if (!location.search.includes('silent')) ask()`

/**
 * A widget as the vendor's page behaves: it asks its parent for a token when it loads (unless `?silent`), and
 * keeps whatever it hears in `received`. `ask()` asks again, and resolves
 * when the page has the question: messages between two windows keep their order.
 */
export const serveWidget: RequestListener = (_request, response) => {
  response.setHeader('Content-Type', 'text/html')
  response.end(`<!doctype html><title>Widget</title><script>${SCRIPT}</script>`)
}
