import { join } from 'node:path'
import express, { type Request, type Response, Router } from 'express'
import { sampleContent, widgetKinds } from './content.ts'
import { allowOriginsOf } from './access-session.ts'
import type { SandboxCredentials } from './credentials.ts'
import type { SandboxTokens } from './tokens.ts'

const assets = join(import.meta.dirname, '../../public/sandbox')
interface WidgetParams {
  type: string
  id: string
  slug?: string
}

const widgetId = /^[A-Za-z0-9_=-]{1,64}$/

// Any site may frame a widget: that is what the vendor's widgets are for.
const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  'frame-ancestors *',
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

/** The widget pages, their assets, and the content that a page reads with its token. */
export function createWidgets(credentials: SandboxCredentials, tokens: SandboxTokens): Router {
  const router = Router({ caseSensitive: true, strict: true })
  router.use('/assets', express.static(assets, { index: false, redirect: false }))
  router.all('/widget-content/:type/:id', allowOriginsOf(credentials))
  router.get('/widget-content/:type/:id', createContent(tokens))
  router.get(['/:type/:id', '/:type/:id/:slug'], (request: Request<WidgetParams>, response, next) => {
    if (!isWidget(request)) return next()
    response.set({ 'Content-Security-Policy': pagePolicy, 'Referrer-Policy': 'no-referrer' })
    response.sendFile('widget.html', { root: assets })
  })
  return router
}

function isWidget({ params }: Request<WidgetParams>) {
  const kind = widgetKinds.get(params.type)
  return (
    kind !== undefined && widgetId.test(params.id) && (params.slug === undefined || kind === 'leaderboard')
  )
}

function createContent(tokens: SandboxTokens) {
  return async (request: Request<WidgetParams>, response: Response) => {
    response.set('Cache-Control', 'no-store')
    const kind = widgetKinds.get(request.params.type)
    const user = await tokens.verify(bearer(request.get('authorization')))
    if (kind === undefined) response.status(404).json({ error: 'widget_unknown' })
    else if ((user !== undefined && user.use !== 'embed') || kind === 'leaderboard')
      response.json(sampleContent(kind, user?.email))
    else response.status(401).json({ error: 'token_refused', message: 'Expired, or not a token of ours.' })
  }
}

function bearer(authorization = '') {
  return /^Bearer (\S+)$/.exec(authorization)?.[1] ?? ''
}
