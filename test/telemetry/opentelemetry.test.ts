import { writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { blocksOf, readDocument, root } from '../peers/documents.ts'
import { answerJson, startEndpoint, type Endpoint } from '../peers/endpoint.ts'
import { send } from '../peers/exchange.ts'
import { whyPackageMissing } from '../peers/heavy.ts'
import { listen } from '../peers/listen.ts'
import { startProcess } from '../peers/process.ts'
import { startVendor, type Vendor } from '../peers/vendor.ts'

const missing = whyPackageMissing('@opentelemetry/sdk-node')
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const parentId = '00f067aa0ba902b7'

interface Span {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  attributes: { key: string; value: { stringValue?: string; intValue?: number | string } }[]
}

interface Export {
  resourceSpans: { scopeSpans: { spans: Span[] }[] }[]
}

/** An OpenTelemetry collector: keeps the spans that it receives by OTLP over HTTP. */
async function startCollector() {
  const spans: Span[] = []
  async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { resourceSpans } = (await json(request)) as Export
    for (const { scopeSpans } of resourceSpans) for (const scope of scopeSpans) spans.push(...scope.spans)
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  }
  const server = createServer((request, response) => void receive(request, response))
  return { url: await listen(server), spans }
}

/** The documented file, with the vendor's stand-in for the vendor, where Node finds the packages of the SDK. */
async function writeDocumented(): Promise<string> {
  const [text = ''] = blocksOf(await readDocument('docs/operations.md'), 'js')
  expect(text).toContain("'prod-widgets.returning.ai'")
  const folder = join(root, 'test/peers/node_modules/.tracing')
  await mkdir(folder, { recursive: true })
  const path = join(folder, 'tracing.mjs')
  writeFileSync(path, text.replace("'prod-widgets.returning.ai'", "'127.0.0.1'"))
  return path
}

const portOf = (url: string) => Number(new URL(url).port)
const attributeOf = ({ attributes }: Span, name: string) => {
  const value = attributes.find(({ key }) => key === name)?.value
  return value?.stringValue ?? Number(value?.intValue)
}

describe.skipIf(missing)('The broker with the OpenTelemetry SDK of the documentation', () => {
  let vendor: Vendor
  let source: Endpoint
  let spans: Span[]
  let request: Span
  const find = (port: number) => spans.find((span) => attributeOf(span, 'server.port') === port)

  beforeAll(async () => {
    vendor = await startVendor()
    source = await startEndpoint(answerJson({ sub: 'ada', email: 'ada@example.com' }))
    const collector = await startCollector()
    spans = collector.spans
    const settings = {
      WIDGET_BASE_URL: vendor.url,
      SESSION_MODE: 'forward-auth',
      SESSION_JWT_SECRET: '',
      // Another name than the vendor's, which is how the SDK tells them apart.
      SESSION_FORWARD_URL: `http://localhost:${portOf(source.origin)}/me`,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_LOGS_EXPORTER: 'none',
      OTEL_BSP_SCHEDULE_DELAY: '20',
    }
    const { port } = await startProcess(settings, { nodeArgs: ['--import', await writeDocumented()] })
    const traceparent = `00-${traceId}-${parentId}-01`
    const headers = { cookie: 'sid=1', 'sec-fetch-site': 'same-origin', traceparent }
    await send(port, { method: 'POST', path: '/widget-token', headers })
    const ports = [portOf(vendor.url), portOf(source.origin), port]
    await vi.waitUntil(() => ports.every(find), { timeout: 30_000 })
    request = find(port)!
  })

  it('makes each request a span under the caller’s trace', () => {
    expect(request).toMatchObject({ traceId, parentSpanId: parentId })
  })

  it('makes the mint a span under the request', () => {
    const mint = find(portOf(vendor.url))
    expect(mint).toMatchObject({ traceId, parentSpanId: request.spanId })
  })

  it('sends the session source the span of its own question, once', () => {
    const question = find(portOf(source.origin))
    expect(question).toMatchObject({ traceId, parentSpanId: request.spanId })
    expect(source.received[0]?.headers.traceparent).toBe(`00-${traceId}-${question?.spanId}-01`)
  })

  it('sends the vendor no trace', () => {
    expect(vendor.requests).toHaveLength(1)
    expect(JSON.stringify(vendor.requests)).not.toMatch(/traceparent|tracestate/)
  })

  it('has no key, session or email in its spans', () => {
    expect(JSON.stringify(spans)).not.toMatch(/widget-api-key|sid=1|ada@/)
  })
})
