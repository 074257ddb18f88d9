// What a page may write with the types of `public/`. The type checker is the test: it must refuse each marked line.
import type { Options, State } from '../../public/bridge.d.ts'

export async function usePage(): Promise<State> {
  window.returningAIConfig = { headers: () => ({ Authorization: 'Bearer 1' }) } satisfies Options
  document.addEventListener('returning-ai:token', ({ detail }) => {
    const seconds: number | undefined = detail.expiresIn
    const user: string = detail.subject
    // @ts-expect-error -- No event carries a token.
    return [seconds, user, detail.token]
  })
  document.addEventListener('returning-ai:signed-out', ({ detail }) => {
    const isElsewhere: boolean = detail.reason === 'other-tab'
    return isElsewhere
  })
  document.addEventListener('returning-ai:error', ({ detail: { code, retrying, requestId } }) => {
    const shown: [string, boolean, string | undefined] = [code, retrying, requestId]
    return shown
  })
  returningAI.configure({ headers: async () => null })
  // @ts-expect-error -- Headers come from a function, because the bridge needs them for each request.
  returningAI.configure({ headers: { Authorization: 'Bearer 1' } })
  // @ts-expect-error -- The state is the bridge's.
  returningAI.state.status = 'signed-in'
  const hasToken: boolean = await returningAI.refresh()
  const widget: HTMLElement | null = document.querySelector('returning-ai-widget')
  widget?.toggleAttribute('hidden', !hasToken)
  document.createElement('returning-ai-embed').append(document.createElement('template'))
  return returningAI.ready
}
