import { z } from 'zod'
import { problemCodes, type ProblemDocument } from '../problems.ts'
import { vendorToken } from '../returning-ai/exchange.ts'

// The answer of each route: its type for the route itself, and its schema for `/openapi.json`.

const expiresIn = z
  .int()
  .nonnegative()
  .optional()
  .describe('Whole seconds that the token is still valid. Absent if the vendor does not say.')
const subject = z
  .string()
  .regex(/^[A-Za-z0-9_-]{22}$/)
  .describe('A keyed hash of the user. It tells a page that the user has changed.')

export const widgetTokenAnswer = z.object({
  token: vendorToken.describe('The token for the widget iframes.'),
  expiresIn,
  subject,
})

export type WidgetTokenAnswer = z.infer<typeof widgetTokenAnswer>

export const embedTokenAnswer = z.object({
  embedToken: vendorToken.describe('The value of `embed-token` on the tags of the vendor’s SDK.'),
  expiresIn,
  subject,
})

export type EmbedTokenAnswer = z.infer<typeof embedTokenAnswer>

export const probeAnswer = z.object({ status: z.literal('ok') })

export type ProbeAnswer = z.infer<typeof probeAnswer>

/** Nothing secret, and nothing about a user. */
export const pageConfigAnswer = z.object({
  widgetOrigin: z.string().describe('The origin of the vendor’s widgets.'),
  apiOrigin: z.string().optional().describe('The origin at which the vendor’s SDK validates embed tokens.'),
  communityId: z.string().optional(),
  allowedOrigins: z.array(z.string()).readonly(),
  doors: z.array(z.string()).readonly().describe('The configured ways to a token.'),
  widgets: z.array(z.object({ type: z.string(), id: z.string(), public: z.boolean() })).readonly(),
  signInForm: z.boolean().describe('Whether the page has a sign-in form, as in the demo.'),
  publicUrls: z.array(z.string()).readonly().describe('The addresses under which browsers reach the broker.'),
  bridgeIntegrity: z.string().describe('The `integrity` of bridge.js.'),
  fastStart: z.string().describe('The inline script of the fast start.'),
  version: z.string(),
})

export type PageConfigAnswer = z.infer<typeof pageConfigAnswer>

export const problemAnswer = z.object({
  type: z.string().describe('`urn:returning-ai-token-broker:` and the code.'),
  title: z.string(),
  status: z.int(),
  code: z.enum(problemCodes),
  detail: z.string(),
  requestId: z.string().describe('The id under which the log has this request.'),
}) satisfies z.ZodType<ProblemDocument>
