import { showOutcome } from '../trouble.js'

/** Shows which outcome the log has for each failure. Only the demo tells it to a browser. */
export function followOutcomes() {
  document.addEventListener('returning-ai:error', ({ detail }) => void look(detail))
  document.addEventListener('returning-ai:signed-out', ({ detail }) => void look(detail))
}

/** @param {{ requestId?: string }} detail */
async function look({ requestId }) {
  if (requestId === undefined) return
  const { outcome } = await (await fetch(`demo/outcomes/${requestId}`)).json()
  if (outcome) showOutcome(requestId, outcome)
}
