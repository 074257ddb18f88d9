import type { Response } from 'express'
import { presetHeaders } from './preset.ts'

/** Ends an answer by a text of known length. Express's `json` would first look for a charset and for validators of a cache. */
export function sendText(response: Response, contentType: string, text: string): void {
  presetHeaders(response, { 'Content-Type': contentType, 'Content-Length': Buffer.byteLength(text) })
  response.end(text)
}
