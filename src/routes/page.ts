import { hash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { RequestHandler } from 'express'
import { compress, serveAsset, type Asset } from '../http/asset.ts'
import { pageHeaders, scriptHeaders, dataHeaders } from '../http/headers.ts'
import { Problem } from '../problems.ts'
import type { PageConfigAnswer } from './answers.ts'

export interface PageOptions extends PageConfig {
  /** False: the page, its files and `/config.json` are 404. The scripts for other sites stay. */
  enabled: boolean
  /**
   * The addresses under which browsers reach the broker, if configured. The embed code on the page uses them.
   */
  publicUrls: readonly URL[]
}

/** The part of the configuration that the page may know. */
type PageConfig = Omit<PageConfigAnswer, 'bridgeIntegrity' | 'fastStart' | 'publicUrls' | 'version'>

export interface AssetRoute {
  path: string
  handlers: RequestHandler[]
  /** What is served, without content encoding. */
  content?: Buffer
}

const html = 'text/html; charset=utf-8'
const javascript = 'text/javascript; charset=utf-8'
const pageModules = [
  'page.js',
  'causes.js',
  'dom.js',
  'embed-code.js',
  'highlight.js',
  'journal.js',
  'recipes.js',
  'setup.js',
  'status.js',
  'tabs.js',
  'trouble.js',
  'widgets.js',
]
const scripts = ['bridge', 'embed']
const forEver = 'public, max-age=31536000, immutable'

const root = new URL('../../', import.meta.url)
const built = new URL('dist/public/', root)

export const version: string = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')).version

/**
 * Versions that a security fix replaced: 1.0.0 handed the former user's token to a page that was prerendered.
 */
const withdrawn = ['bridge-1.0.0.js']

/** The static files, as a fixed list: no path of a request ever reaches the file system. */
export function createAssets({ enabled, publicUrls, ...pageConfig }: PageOptions): AssetRoute[] {
  return [
    ...(enabled ? createPage(pageConfig, publicUrls.map(asFolder)) : []),
    ...scripts.filter((name) => existsSync(new URL(`${name}.js`, built))).flatMap(scriptRoutes),
    ...olderScripts(readdirSync(built)).map((name) => scriptRoute(name, name, forEver)),
    ...withdrawn.map((name) => ({ path: `/${name}`, handlers: [refuseWithdrawn] })),
  ]
}

function createPage(pageConfig: PageConfig, publicUrls: readonly string[]): AssetRoute[] {
  const embed = {
    bridgeIntegrity: `sha384-${hash('sha384', readFileSync(new URL('bridge.js', built)), 'base64')}`,
    fastStart: readFileSync(new URL('fast-start.js', built), 'utf8').trim(),
  }
  const config: PageConfigAnswer = { ...pageConfig, ...embed, publicUrls, version }
  const onPage = pageHeaders(pageConfig.widgetOrigin)
  return [
    routeAsset('/', [onPage], readFile('index.html', html)),
    ...pageModules.map((name) => routeAsset(`/${name}`, [onPage], readFile(name, javascript))),
    routeAsset('/page.css', [onPage], readFile('page.css', 'text/css; charset=utf-8')),
    routeAsset('/config.json', [dataHeaders], {
      type: 'application/json; charset=utf-8',
      cacheControl: 'no-cache',
      ...compress(JSON.stringify(config)),
    }),
  ]
}

/** A script for other sites, under a name for the current version and under one whose bytes never change. */
function scriptRoutes(name: string): AssetRoute[] {
  const file = `${name}.js`
  return [scriptRoute(file, file, 'public, max-age=300'), scriptRoute(`${name}-${version}.js`, file, forEver)]
}

function scriptRoute(name: string, file: string, cacheControl: string): AssetRoute {
  return routeAsset(`/${name}`, [scriptHeaders, openToAll], readFile(file, javascript, cacheControl))
}

/**
 * The scripts of older versions among the files of `public/`. They stay there as they were built, so that
 * pages that pin one by its hash do not break when the broker is upgraded.
 */
export function olderScripts(names: readonly string[]): string[] {
  const others = new Set([...withdrawn, ...scripts.map((script) => `${script}-${version}.js`)])
  return names.filter((name) => /^(bridge|embed)-\d+\.\d+\.\d+\.js$/.test(name) && !others.has(name))
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

const refuseWithdrawn: RequestHandler = () => {
  throw new Problem('not_found', { diagnosis: { outcome: 'version_withdrawn' } })
}

function routeAsset(path: string, headers: RequestHandler[], asset: Asset): AssetRoute {
  return { path, handlers: [...headers, serveAsset(asset)], content: asset.identity }
}

function readFile(name: string, type: string, cacheControl = 'no-cache'): Asset {
  const read = (ending: string) => readFileSync(new URL(`${name}${ending}`, built))
  return { type, cacheControl, identity: read(''), br: read('.br'), gzip: read('.gz') }
}
