import type { ServerResponse } from 'node:http'

/** Ends an answer by a text of known length. Express's `json` would first look for a charset and for validators of a cache. */
export function sendText(response: ServerResponse, contentType: string, text: string): void {
  response.setHeader('Content-Type', contentType)
  response.setHeader('Content-Length', Buffer.byteLength(text))
  response.end(text)
}
