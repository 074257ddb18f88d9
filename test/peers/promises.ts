import { expect, vi } from 'vitest'
import type { Answer } from './exchange.ts'
import type { RunningBroker } from './broker.ts'

/** That an answer is the contract's problem document for `code`, with the header that its status demands. */
export function expectProblem({ status, headers, body }: Answer, expected: number, code: string): void {
  expect({ status, type: headers['content-type'] }).toEqual({
    status: expected,
    type: 'application/problem+json',
  })
  const document = JSON.parse(body)
  expect(document).toEqual({
    type: `urn:returning-ai-token-broker:${code}`,
    title: expect.stringMatching(/^[A-Z]/),
    status: expected,
    code,
    detail: expect.stringMatching(/\.$/),
    requestId: headers['x-request-id'],
  })
  expect(headers['cache-control']).toBe('no-store')
  expect('retry-after' in headers).toBe(expected === 429 || expected === 503)
  expect('www-authenticate' in headers).toBe(expected === 401)
  expect('allow' in headers).toBe(expected === 405)
}

/** The one access line of a request; waits for it, since it is written after the answer has left. */
export async function accessLineOf(broker: Pick<RunningBroker, 'logLines'>, requestId: unknown) {
  const find = () =>
    broker.logLines().filter((line) => line.requestId === requestId && line.event === undefined)
  await vi.waitFor(() => expect(find().length).toBeGreaterThan(0), { interval: 2 })
  const lines = find()
  expect(lines).toHaveLength(1)
  return lines[0]!
}
