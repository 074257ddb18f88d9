import { showOutcome } from '../trouble.js'

/** Shows the outcome that the log has for each failure. Only the demo exposes it to a browser. */
export function followOutcomes() {
  document.addEventListener('returning-ai:error', ({ detail }) => void showLogged(detail))
  document.addEventListener('returning-ai:signed-out', ({ detail }) => void showLogged(detail))
}

/** @param {{ requestId?: string }} detail */
async function showLogged({ requestId }) {
  if (requestId === undefined) return
  const { outcome } = await (await fetch(`demo/outcomes/${requestId}`)).json()
  if (outcome) showOutcome(requestId, outcome)
}
