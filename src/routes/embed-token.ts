import type { RequestHandler } from 'express'
import type { TokenIssuer } from '../returning-ai/issuer.ts'
import type { EmbedTokenAnswer } from './answers.ts'
import { createTokenHandler, type TokenRouteDependencies } from './token-request.ts'

/**
 * `POST /embed-token`: a token for the vendor's SDK, which may accept each token only once. So each request
 * mints its own.
 */
export function issueEmbedToken(
  dependencies: TokenRouteDependencies,
  accessKey: TokenIssuer,
): RequestHandler {
  const { tokens } = dependencies
  return createTokenHandler(dependencies, {
    issuerOf: () => accessKey,
    obtain: (request) => tokens.mint(request),
    answerOf: (embedToken, life): EmbedTokenAnswer => ({ embedToken, ...life }),
  })
}
