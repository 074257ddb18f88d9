/**
 * The name that the tabs of one origin share: of the channel, of the lock, and of the guide's place in
 * storage.
 */
export const NAME = 'returning-ai-widget-token'

/** Which user a broker named; `null` for none. Never a token: each tab has its own from the broker. */
export interface Notice {
  broker: string
  subject: string | null
}

let channel: BroadcastChannel | undefined
let first = true

/** Opens the channel to the other tabs, if the browser supports it. */
export function openChannel(hear: (notice: Notice) => void): void {
  if (!window.BroadcastChannel) return
  channel = new BroadcastChannel(NAME)
  channel.addEventListener('message', ({ data }) => hear(Object(data)))
}

export function tell(notice: Notice): void {
  // A channel belongs to one origin, so there is no target origin to name.
  const send = channel?.postMessage.bind(channel)
  send?.(notice)
}

/**
 * Lets one tab ask at a time, if the browser supports it. No tab waits for the lock for more than three
 * seconds, because a frozen tab may keep it. The first request of a page does not wait: the lock alone takes
 * up to 54 ms.
 */
export function inTurn<Result>(send: () => Promise<Result>): Promise<Result> {
  if (!first && navigator.locks && AbortSignal.timeout)
    return navigator.locks.request(NAME, { signal: AbortSignal.timeout(3_000) }, send).catch(send)
  first = false
  return send()
}
