import type { RequestListener } from 'node:http'

const SCRIPT = `
  const received = []
  addEventListener('message', ({ data }) => received.push(data))
  const ask = (data = { type: 'RETURNINGAI_WIDGET_REQUEST_TOKEN' }, to = parent) => to.postMessage(data, '*')
  if (!location.search.includes('silent')) ask()`

/**
 * A widget as the vendor's page behaves: it asks its parent for a token when it loads (unless `?silent`), and
 * keeps whatever it hears in `received`. `ask()` asks again.
 */
export const serveWidget: RequestListener = (_request, response) => {
  response.setHeader('Content-Type', 'text/html')
  response.end(`<!doctype html><title>Widget</title><script>${SCRIPT}</script>`)
}
