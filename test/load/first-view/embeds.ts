import { readFileSync } from 'node:fs'
import type { Sites } from './sites.ts'

type Place = keyof Sites['brokers']
type Embed = (broker: string, widgets: string) => string

const fastStart = readFileSync(new URL('../../../dist/public/fast-start.js', import.meta.url), 'utf8').trim()

/** What a page has in its head, in addition to the widget's iframe in its body. */
const embeds: Record<string, Embed> = {
  guide: (broker, widgets) => `<script>${guideScript(`${broker}widget-token`, widgets)}</script>`,
  bridge: (broker, widgets) => `<script src="${broker}bridge.js" data-widget-origin="${widgets}"></script>`,
  'fast start': (broker, widgets) =>
    `<script>${fastStart.replaceAll('TOKEN_URL', JSON.stringify(`${broker}widget-token`))}</script>
    <script async src="${broker}bridge.js" data-widget-origin="${widgets}"></script>`,
}

const places: Place[] = ['path', 'subdomain']

/** The iframe alone gets no token: its time is the moment at which it asks. */
export const alone = 'iframe alone'

export const pageNames = [
  alone,
  ...Object.keys(embeds).flatMap((embed) => places.map((place) => `${embed}, ${place}`)),
]

/** The page of this name. */
export function writePage(name: string, { brokers, widgets }: Sites): string {
  const [embed = '', place] = name.split(', ')
  const head = embeds[embed]?.(brokers[place as Place], widgets) ?? ''
  return `<!doctype html><html lang="en"><head><title>Customer</title>${head}</head>
    <body><iframe title="Widget" src="${widgets}/channel-widget/w1" width="100%" height="600"></iframe></body>
    </html>`
}

/** What the vendor's guide describes: request a token on load, keep it, and answer the widget with it. */
function guideScript(tokenUrl: string, widgets: string): string {
  return `
    const answer = fetch('${tokenUrl}', { method: 'POST', credentials: 'include' })
      .then((response) => response.json())
      .then(({ token }) => {
        localStorage.setItem('returning-ai-widget-token', token)
        return token
      })
    addEventListener('message', async ({ data, origin, source }) => {
      if (origin !== '${widgets}' || data.type !== 'RETURNINGAI_WIDGET_REQUEST_TOKEN') return
      source.postMessage({ type: 'RETURNINGAI_WIDGET_TOKEN', value: await answer }, origin)
    })`
}
