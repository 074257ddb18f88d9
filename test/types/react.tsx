import { useRef, type ReactElement } from 'react'
import type { ReturningAIWidgetElement } from '../../public/bridge.d.ts'

const template = { __html: '<template><rai-store-widget community-id="c"></rai-store-widget></template>' }

export function Widgets(): ReactElement {
  const widget = useRef<ReturningAIWidgetElement>(null)
  return (
    <main>
      <returning-ai-widget
        type="channel-widget"
        widget-id="1"
        ref={widget}
        key="1"
        className="wide"
        height={300}
      />
      <returning-ai-embed dangerouslySetInnerHTML={template} />
      {/* @ts-expect-error -- A widget has an id. */}
      <returning-ai-widget type="channel-widget" />
    </main>
  )
}
