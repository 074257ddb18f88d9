import type { Request, RequestHandler } from 'express'
import type { FindIssuer } from '../returning-ai/signin.ts'
import type { WidgetTokenAnswer } from './answers.ts'
import { createTokenHandler, type TokenRouteDependencies } from './token-request.ts'

/** `POST /widget-token`: a widget token for the iframes of the guide, reused until shortly before its end. */
export function issueWidgetToken(dependencies: TokenRouteDependencies, signin: FindIssuer): RequestHandler {
  const { tokens } = dependencies
  return createTokenHandler(dependencies, {
    issuerOf: (request) => signin(widgetTypeOf(request)),
    obtain: (request, fresh) => tokens.get(request, fresh),
    answerOf: (token, life): WidgetTokenAnswer => ({ token, ...life }),
  })
}

function widgetTypeOf({ url }: Request): string | undefined {
  const start = url.indexOf('?')
  return start === -1 ? undefined : (new URLSearchParams(url.slice(start)).get('widget') ?? undefined)
}
