import type { Request, Response, RequestHandler } from 'express'

/** What the sandbox keeps of a request to a token route: enough to assert on, and no secret. */
export interface ReceivedRequest {
  at: string
  method: string
  path: string
  headerNames: string[]
  contentType: string | undefined
  bodyBytes: number
  email: string | undefined
  credential: 'match' | 'mismatch' | 'absent'
  /** The name of the fault that it got. */
  fault: string | undefined
  /** Absent until the answer is complete, and forever if the caller disconnects first. */
  status: number | undefined
}

const keptRequests = 1000

/** Keeps the last 1,000 requests, oldest first, in a list that tests can read and clear. */
export function createRequestList() {
  const received: ReceivedRequest[] = []

  function record(request: Request, response: Response) {
    const entry = describe(request)
    received.push(entry)
    if (received.length > keptRequests) received.shift()
    response.on('finish', () => (entry.status = response.statusCode))
    return entry
  }

  const recorded: RequestHandler = (request, response, next) => {
    response.locals.received = record(request, response)
    next()
  }

  return { received, recorded }
}

/** The entry that `recorded` made for this request, for later steps to complete. */
export function entryOf(response: Response): ReceivedRequest {
  return response.locals.received as ReceivedRequest
}

function describe(request: Request): ReceivedRequest {
  return {
    at: new Date().toISOString(),
    method: request.method,
    path: request.originalUrl,
    headerNames: request.rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase()),
    contentType: request.headers['content-type'],
    bodyBytes: Buffer.isBuffer(request.body) ? request.body.length : 0,
    email: request.get('email'),
    credential: 'absent',
    fault: undefined,
    status: undefined,
  }
}
