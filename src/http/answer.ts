import { ServerResponse } from 'node:http'
import type { Response } from 'express'

type Headers = Readonly<Record<string, string | number>>

declare global {
  // eslint-disable-next-line typescript/no-namespace
  namespace Express {
    interface Locals {
      preset?: Record<string, string | number>
    }
  }
}

/**
 * Sets headers of the answer, however it ends; of one name, spelled the same, the last value holds. They are kept aside and
 * written with the status: `setHeader` checks and files each, together a seventh of the CPU of a request whose session is known.
 */
export function presetHeaders(response: Response, headers: Headers): void {
  const { locals } = response
  if (locals.preset === undefined) {
    locals.preset = {}
    response.writeHead = writeHeadWithPreset
  }
  for (const name in headers) locals.preset[name] = headers[name]!
}

/** `end` comes here too, where nobody has written the head before it. Nobody here gives `writeHead` headers of its own. */
function writeHeadWithPreset(this: Response, status: number): Response {
  return ServerResponse.prototype.writeHead.call(this, status, this.locals.preset) as Response
}

/** Ends an answer by a text of known length. Express's `json` would first look for a charset and for validators of a cache. */
export function sendText(response: Response, contentType: string, text: string): void {
  presetHeaders(response, { 'Content-Type': contentType, 'Content-Length': Buffer.byteLength(text) })
  response.end(text)
}
