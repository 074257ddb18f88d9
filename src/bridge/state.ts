import type { State } from '../../public/bridge.d.ts'

let settle: (state: State) => void

/** The state of the main token URL. */
export let state: State = Object.freeze({ status: 'pending' })

/** Resolves at the first outcome that is not a retry. */
export const ready = new Promise<State>((resolve) => (settle = resolve))

export function setState(next: State): void {
  state = Object.freeze(next)
  if (next.status !== 'pending' && !next.retrying) settle(state)
}

/** While nobody is signed in, nothing is requested. */
export function isSignedOut(): boolean {
  return state.status === 'signed-out'
}
