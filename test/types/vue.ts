import type { GlobalComponents } from 'vue'

type Props<Name extends keyof GlobalComponents> = InstanceType<GlobalComponents[Name]>['$props']

/** As Vue's template compiler checks `<returning-ai-widget type="…" widget-id="…" />`. */
export const widget: Props<'returning-ai-widget'> = { type: 'channel-widget', 'widget-id': '1', height: 300 }
export const embed: Props<'returning-ai-embed'> = { innerHTML: '<template></template>' }
// @ts-expect-error -- A widget has an id.
export const faulty: Props<'returning-ai-widget'> = { type: 'channel-widget' }
