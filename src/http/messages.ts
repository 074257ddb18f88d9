import type http from 'node:http'
import type { Express, Response } from 'express'
import { IncomingMessage, ServerResponse } from './node-http.ts'

/** Header fields by lower-case name. */
type HeaderFields = Readonly<Record<Lowercase<string>, string | number>>

declare global {
  // eslint-disable-next-line typescript/no-namespace
  namespace Express {
    interface Response {
      /** Sets header fields of the answer, however it ends. The last value of a name counts. */
      preset(fields: HeaderFields): void
    }
  }
}

/**
 * Gives an Express app request and response classes of its own. Node then creates the messages with Express's
 * methods, and Express need not change the prototype of each. The response collects its header fields and
 * hands them to Node with the status: Node's own `setHeader` checks and files each one. Both save time that
 * was measured.
 */
export function useOwnMessages(app: Express): void {
  class AppRequest extends IncomingMessage {}
  app.request = Object.setPrototypeOf(AppRequest.prototype, app.request)
  app.response = Object.setPrototypeOf(createResponseClass().prototype, app.response)
}

/** The classes by which an HTTP server should create the messages of an app. */
export function messagesOf(app: Express) {
  return {
    IncomingMessage: app.request.constructor as typeof http.IncomingMessage,
    ServerResponse: app.response.constructor as typeof http.ServerResponse,
  }
}

/** A class for each app, since Express gives each app a prototype of its own. */
function createResponseClass() {
  return class AppResponse extends ServerResponse {
    /** Not a private field: Express also gives these methods to a response that another class created. */
    fields: Record<string, http.OutgoingHttpHeader> | undefined

    preset(given: HeaderFields): void {
      this.fields ??= {}
      for (const name in given) this.fields[name] = given[name as Lowercase<string>]!
    }

    override setHeader(name: string, value: number | string | readonly string[]): this {
      this.fields ??= {}
      this.fields[name.toLowerCase()] = value as http.OutgoingHttpHeader
      return this
    }

    override appendHeader(name: string, value: string | readonly string[]): this {
      const present = this.getHeader(name)
      return this.setHeader(name, present === undefined ? value : [present, value].flat().map(String))
    }

    override getHeader(name: string): http.OutgoingHttpHeader | undefined {
      return this.fields?.[name.toLowerCase()]
    }

    override getHeaders(): Record<string, http.OutgoingHttpHeader> {
      return { ...this.fields }
    }

    override getHeaderNames(): string[] {
      return Object.keys(this.fields ?? {})
    }

    override hasHeader(name: string): boolean {
      return this.getHeader(name) !== undefined
    }

    override removeHeader(name: string): void {
      delete this.fields?.[name.toLowerCase()]
    }

    /** `end` also calls this, unless the head is already written. */
    override writeHead(status: number, given?: unknown): this {
      const fields = given === undefined ? this.fields : { ...this.fields, ...(given as object) }
      return super.writeHead(status, fields)
    }
  }
}

/**
 * Ends an answer with a text of known length. Express's `json` would first check the charset and the cache
 * validators.
 */
export function sendText(response: Response, contentType: string, text: string): void {
  response.preset({ 'content-type': contentType, 'content-length': Buffer.byteLength(text) })
  response.end(text)
}
