import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { RequestHandler } from 'express'
import { pageHeaders, scriptHeaders, dataHeaders } from '../http/headers.ts'

export interface PageOptions {
  widgetOrigin: string
  widgets: readonly { type: string; id: string; public: boolean }[]
  signInForm: boolean
  /**
   * The addresses under which browsers reach the broker, if configured. The embed code on the page uses them.
   */
  publicUrls: readonly URL[]
}

export interface Asset {
  path: string
  handlers: RequestHandler[]
}

const html = 'text/html; charset=utf-8'
const javascript = 'text/javascript; charset=utf-8'
const pageModules = ['page.js', 'dom.js', 'status.js', 'widgets.js']

export const version: string = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
).version

/** The static files, as a fixed list: no path of a request ever reaches the file system. */
export function createAssets({ publicUrls, ...options }: PageOptions): Asset[] {
  const { widgetOrigin } = options
  const config = JSON.stringify({ ...options, publicUrls: publicUrls.map(asFolder), version })
  const onPage = pageHeaders(widgetOrigin)
  const briefly = 'public, max-age=300'
  const forEver = 'public, max-age=31536000, immutable'
  return [
    { path: '/', handlers: [onPage, serve(read('index.html'), html)] },
    ...pageModules.map((name) => ({ path: `/${name}`, handlers: [onPage, serve(read(name), javascript)] })),
    { path: '/page.css', handlers: [onPage, serve(read('page.css'), 'text/css; charset=utf-8')] },
    {
      path: '/config.json',
      handlers: [dataHeaders, serve(Buffer.from(config), 'application/json; charset=utf-8')],
    },
    {
      path: '/bridge.js',
      handlers: [scriptHeaders, openToAll, serve(read('bridge.js'), javascript, briefly)],
    },
    {
      path: `/bridge-${version}.js`,
      handlers: [scriptHeaders, openToAll, serve(read('bridge.js'), javascript, forEver)],
    },
  ]
}

/** With a trailing slash, so that relative addresses resolve below it. */
function asFolder({ href }: URL): string {
  return href.endsWith('/') ? href : `${href}/`
}

/** A script with `integrity` loads only by CORS (Subresource Integrity §3.3). */
const openToAll: RequestHandler = (_request, response, next) => {
  response.preset({ 'access-control-allow-origin': '*' })
  next()
}

function serve(body: Buffer, type: string, cacheControl = 'no-cache'): RequestHandler {
  const etag = `"${hash('sha256', body, 'base64url').slice(0, 27)}"`
  return function serveAsset(request, response) {
    response.preset({ 'cache-control': cacheControl, etag })
    if (request.fresh) {
      response.status(304).end()
      return
    }
    // HTTP/1.0, which nginx speaks by default, needs the length: without it, half an answer looks complete.
    response.preset({ 'content-type': type, 'content-length': body.length })
    response.end(body)
  }
}

function read(name: string): Buffer {
  return readFileSync(new URL(`../../public/${name}`, import.meta.url))
}
