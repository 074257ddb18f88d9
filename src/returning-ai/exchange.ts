import { z } from 'zod'
import { isRecord, parseJson } from '../lib/json.ts'
import { Problem } from '../problems.ts'
import type { VendorAnswer } from './transport.ts'

// What all doors say to the vendor, and how they read its answers.

export const jsonHeaders = {
  'content-type': 'application/json',
  accept: 'application/json',
  'accept-encoding': 'identity',
  'user-agent': 'returning-ai-token-broker',
}

/** The vendor promises no charset for its tokens: 8 to 8192 visible ASCII characters are safe to hand on. */
export const vendorToken = z.string().regex(/^[\x21-\x7e]{8,8192}$/)

/** Reads a 200 of the vendor by its schema. Throws `vendor_bad_response` for anything else. */
export function readAnswer<Value>(schema: z.ZodType<Value>, answer: VendorAnswer, keyId: string): Value {
  const { body, headers, vendorMs, attempts } = answer
  const json = parseJson(body)
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const isJson = /json/i.test(String(headers['content-type']))
  const notJson = isJson ? 'invalid_json' : 'unexpected_content_type'
  const outcome = json === undefined ? notJson : 'invalid_shape'
  const diagnosis = { outcome, vendorStatus: 200, attempts, vendorMs, keyId } as const
  throw new Problem('vendor_bad_response', { diagnosis })
}

/** The claims of a vendor's token, unverified; none if it is no JWT. */
export function readClaims(token: string): Record<string, unknown> {
  const claims = parseJson(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
  return isRecord(claims) ? claims : {}
}

export function isKeyRefused(error: unknown): error is Problem {
  return error instanceof Problem && error.code === 'vendor_rejected_credentials'
}
