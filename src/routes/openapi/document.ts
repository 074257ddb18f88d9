import type { RequestHandler } from 'express'
import { z } from 'zod'
import { compress, serveAsset } from '../../http/asset.ts'
import {
  embedTokenAnswer,
  pageConfigAnswer,
  probeAnswer,
  problemAnswer,
  widgetTokenAnswer,
} from '../answers.ts'
import { describeFile, describeProbe, describeTokenRoute } from './operations.ts'
import { version } from '../page.ts'
import { headers, refusals } from './responses.ts'

interface ApiOptions {
  /** The doors of the vendor, undefined if not configured. */
  signin: unknown
  accessKey: unknown
  /** The files that are served. */
  assets: readonly { path: string }[]
  publicUrls: readonly URL[]
}

/**
 * `GET /openapi.json`: the routes of this broker, as it is configured. Built at the first request, because it
 * takes 10 ms, a fortieth of the start.
 */
export function answerOpenApi(options: ApiOptions): RequestHandler {
  let serve: RequestHandler | undefined
  return function answerDescription(request, response, next) {
    serve ??= serveDescription(options)
    return serve(request, response, next)
  }
}

function serveDescription(options: ApiOptions): RequestHandler {
  const text = JSON.stringify(describeApi(options))
  return serveAsset({ type: 'application/json; charset=utf-8', cacheControl: 'no-cache', ...compress(text) })
}

function describeApi({ signin, accessKey, assets, publicUrls }: ApiOptions) {
  const served = new Set(assets.map(({ path }) => path))
  return {
    openapi: '3.1.0',
    info,
    servers: publicUrls.length === 0 ? [{ url: '.' }] : publicUrls.map(toServer),
    paths: {
      ...(signin !== undefined && { '/widget-token': widgetToken }),
      ...(accessKey !== undefined && { '/embed-token': embedToken }),
      ...Object.fromEntries(Object.entries(files).filter(([path]) => served.has(path))),
      '/healthz': describeProbe('getHealthz', 'Whether the process answers'),
      '/readyz': describeProbe('getReadyz', 'Whether this replica takes requests'),
      '/openapi.json': describeFile('getOpenApi', 'This document', 'application/json', 'OpenApi'),
    },
    components: { securitySchemes, headers, responses: refusals, schemas: toJsonSchemas() },
  }
}

const info = {
  title: 'Returning.AI token broker',
  version,
  license: { name: 'MIT', identifier: 'MIT' },
  description:
    'Exchanges the session of your app for a short-lived widget token. Paths are case-sensitive and ' +
    'must match exactly. Every refusal is a problem document (RFC 9457); docs/problems.md explains each code. ' +
    'Retry only after a 429 or 503, and wait for the number of seconds in `Retry-After` first.',
}

const widgetToken = describeTokenRoute({
  operationId: 'issueWidgetToken',
  summary: 'A token for the widget iframes',
  schema: 'WidgetToken',
  parameters: [
    {
      name: 'widget',
      in: 'query',
      description: 'The type of the widget, for a type with an API key of its own.',
      schema: { type: 'string', examples: ['store-widget'] },
    },
  ],
})

const embedToken = describeTokenRoute({
  operationId: 'issueEmbedToken',
  summary: 'A token for the tags of the vendor’s SDK, newly minted for each request',
  schema: 'EmbedToken',
})

const script = 'text/javascript'

/** Without the files that only the page itself loads. */
const files = {
  '/': describeFile('getPage', 'The page with the configured widgets', 'text/html'),
  '/config.json': describeFile('getConfig', 'What the page needs', 'application/json', 'PageConfig'),
  '/bridge.js': describeFile('getBridge', 'The script for pages with widget iframes', script),
  '/embed.js': describeFile('getEmbed', 'The script for pages with tags of the vendor’s SDK', script),
  [`/bridge-${version}.js`]: describeFile(
    'getBridgeOfVersion',
    'bridge.js, whose bytes never change',
    script,
  ),
  [`/embed-${version}.js`]: describeFile('getEmbedOfVersion', 'embed.js, whose bytes never change', script),
}

/** The settings decide which of these the broker reads, and from where. */
const securitySchemes = {
  sessionToken: { type: 'http', scheme: 'bearer', description: 'A token of your app.' },
  sessionCookie: {
    type: 'apiKey',
    in: 'cookie',
    name: 'session',
    description: 'The session cookie of your app. `session` stands for its name.',
  },
}

function toJsonSchemas() {
  const described = {
    WidgetToken: widgetTokenAnswer,
    EmbedToken: embedTokenAnswer,
    Probe: probeAnswer,
    PageConfig: pageConfigAnswer,
    Problem: problemAnswer,
    OpenApi: z.looseObject({ openapi: z.string() }),
  }
  return Object.fromEntries(
    Object.entries(described).map(([name, schema]) => {
      // `input`: a later version may add members.
      const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io: 'input' })
      return [name, rest]
    }),
  )
}

function toServer({ href }: URL) {
  return { url: href.replace(/\/$/, '') }
}
