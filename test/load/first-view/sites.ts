import { Agent, createServer, request, type RequestListener } from 'node:http'
import { listen, portOf } from '../../peers/listen.ts'
import { startReplica } from '../replica.ts'
import { startVendor } from '../vendor.ts'
import { putAtDistance } from './network.ts'

/** Addresses as the browser has them, all at the same distance. */
export interface Sites {
  app: string
  /** The broker's, with a trailing slash. */
  brokers: { path: string; subdomain: string }
  /** The origin of the widgets: another site. */
  widgets: string
}

/** A customer's app with these pages, the broker under a path of it and on a subdomain, and the vendor. */
export async function startSites(pageOf: (name: string, sites: Sites) => string): Promise<Sites> {
  let brokerPort = 0
  const agent = new Agent({ keepAlive: true })
  const serveApp: RequestListener = (incoming, response) => {
    const { url = '/', method, headers } = incoming
    if (!url.startsWith('/widgets/')) {
      response.setHeader('Content-Type', html).end(pageOf(decodeURIComponent(url.slice(1)), sites))
      return
    }
    const path = url.slice('/widgets'.length)
    const forwarded = request({ agent, host: '127.0.0.1', port: brokerPort, path, method, headers })
    forwarded.on('response', (answer) => {
      response.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(response)
    })
    incoming.pipe(forwarded)
  }
  const app = await startDistantSite('app.localhost', serveApp)
  const widgets = await startDistantSite('vendor.localhost', serveWidget)
  const { url: WIDGET_BASE_URL } = await startVendor()
  const session = { SESSION_JWT_SOURCE: 'cookie:session', ALLOWED_ORIGINS: app }
  brokerPort = (await startReplica({ WIDGET_BASE_URL, ...session })).port
  const subdomain = `http://widgets.app.localhost:${await putAtDistance(brokerPort)}/`
  const sites = { app, brokers: { path: `${app}/widgets/`, subdomain }, widgets }
  return sites
}

const html = 'text/html; charset=utf-8'

async function startDistantSite(name: string, listener: RequestListener): Promise<string> {
  const server = createServer({ keepAliveTimeout: 60_000 }, listener)
  await listen(server)
  return `http://${name}:${await putAtDistance(portOf(server))}`
}

/** A widget that asks as early as it can: every other one asks later, and waits less for its answer. */
const serveWidget: RequestListener = (_request, response) => {
  const script = `
    const now = () => performance.timeOrigin + performance.now()
    const askedAt = now()
    const toldAt = new Promise((resolve) => {
      addEventListener('message', ({ data }) => data.type === 'RETURNINGAI_WIDGET_TOKEN' && resolve(now()))
    })
    parent.postMessage({ type: 'RETURNINGAI_WIDGET_REQUEST_TOKEN' }, '*')`
  response
    .setHeader('Content-Type', html)
    .end(`<!doctype html><title>Widget</title><script>${script}</script>`)
}
